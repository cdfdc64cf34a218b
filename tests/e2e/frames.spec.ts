// The golden frames that Rust also reads: records of messages mean the same on both sides.

import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { isChange, isMessages, type Messages, readChanges, readMessages } from "../../js/src/frame.js";

interface Golden {
  toClient: { record: string; means: Record<string, Record<string, unknown>> }[];
  badToClient: { record: string; error: string }[];
  badPayloads: string[];
}

const golden: Golden = JSON.parse(readFileSync(new URL("../fixtures/frames.json", import.meta.url), "utf8"));

/** Reads the record between two others, as in a frame; undefined if it is refused. */
function read(record: string): Messages | undefined {
  const before = "ping 1\n";
  const into = { chars: 0 } as Messages;
  const isRead = readMessages(
    `${before}${record}\npong 1 2 3 4 - 5`,
    before.length,
    before.length + record.length,
    into,
  );
  return isRead ? into : undefined;
}

for (const { record, means } of golden.toClient) {
  const one = means["m"];
  const several = means["b"];
  if (one === undefined && several === undefined) {
    test(`${record} is left to the core`, () => expect(isMessages(record, 0)).toBe(false));
    continue;
  }
  test(`JavaScript reads ${record} as Rust does`, () => {
    expect(isMessages(record, 0)).toBe(true);
    const { no, first, chain, at, count, isBatch, data, id } = read(record) ?? ({} as Messages);
    if (one)
      expect({ no, seq: first, chain, at, id: id ?? null, payload: data, isBatch }).toEqual({
        ...one,
        isBatch: false,
      });
    else
      expect({ no, seq: first, count, chain, at, array: data, isBatch }).toEqual({
        ...several,
        isBatch: true,
      });
  });
}

for (const record of [...golden.badToClient.map(({ record }) => record), ...golden.badPayloads]) {
  test(`JavaScript refuses ${record}, or leaves it to the core, which refuses it`, () => {
    expect(isMessages(record, 0) && read(record) !== undefined).toBe(false);
  });
}

test("consecutive entries of a document form one run, which a hole or another document ends", () => {
  const records = [
    "patch 1 42 5 1763779200123 - []",
    'merge 1 43 6 1763779200124 p:1 {"a":1}',
    "patch 1 45 7 1763779200125 - []",
    "patch 2 46 8 1763779200126 - []",
    "checkpoint 2 46 9",
  ];
  const text = `ping 1\n${records.join("\n")}`;
  const runs = [];
  let at = text.indexOf("patch");
  for (; isChange(text, at); ) {
    const into = {} as Messages;
    const end = readChanges(text, at, into);
    const { no, first, count, chain, chars, data } = into;
    runs.push({ no, first, count, chain, data });
    expect(chars).toBe(end - at);
    at = end + 1;
  }
  expect(runs).toEqual([
    { no: 1, first: 42, count: 2, chain: 6, data: `${records[0]}\n${records[1]}` },
    { no: 1, first: 45, count: 1, chain: 7, data: records[2] },
    { no: 2, first: 46, count: 1, chain: 8, data: records[3] },
  ]);
  expect(text.slice(at)).toBe(records[4]);
});

for (const record of [
  "patch 1 0 5 0 - []",
  "merge q 1 5 0 - {}",
  "patch 1 42",
  `patch 1 2 ${2 ** 48} 0 - []`,
]) {
  test(`${record} may not be in a document`, () => expect(readChanges(record, 0, {} as Messages)).toBe(0));
}
