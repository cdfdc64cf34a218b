// The golden frames that Rust reads too: messages records mean the same on both sides.

import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { isMessages, type Messages, readMessages } from "../../js/src/frame.js";

interface Golden {
  toClient: { record: string; means: Record<string, Record<string, unknown>> }[];
  badToClient: { record: string; error: string }[];
  badPayloads: string[];
}

const golden: Golden = JSON.parse(readFileSync(new URL("../fixtures/frames.json", import.meta.url), "utf8"));

/** The record, read between two others as it stands in a frame; undefined if it is refused. */
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
  test(`${record} is read as Rust reads it`, () => {
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
  test(`${record} is refused or left to the core, which refuses it`, () => {
    expect(isMessages(record, 0) && read(record) !== undefined).toBe(false);
  });
}
