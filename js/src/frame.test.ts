// The golden records of tests/fixtures/frames.json that the page itself reads, and records that no
// hub may send.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  changes,
  isChange,
  isMessages,
  isOfDocument,
  type Messages,
  readChanges,
  readCheckpoint,
  readMessages,
  readSnapshot,
  snapshot,
} from "./frame.js";

function empty(): Messages {
  return {
    no: 0,
    first: 0,
    count: 0,
    chain: 0,
    at: 0,
    isBatch: false,
    data: undefined,
    id: undefined,
    chars: 0,
    kind: 0,
  };
}

function read(record: string): Messages | undefined {
  const into = empty();
  return readMessages(record, 0, record.length, into) ? into : undefined;
}

interface Golden {
  record: string;
  means?: Record<string, Record<string, unknown>>;
}
const { toClient } = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/frames.json", import.meta.url), "utf8"),
) as { toClient: Golden[] };
const golden = toClient.filter(({ record }) => isMessages(record, 0));

test("the fixtures have records of messages", () => {
  expect(golden.length).toBeGreaterThan(3);
});

test.each(golden)("h5 h6 the golden record $record is read as its fixture says", ({ record, means }) => {
  const [fields] = Object.values(means ?? {});
  const into = read(record);
  expect(into?.no).toBe(fields?.["no"]);
  expect(into?.first).toBe(fields?.["seq"]);
  expect(into?.chain).toBe(fields?.["chain"]);
});

test.each([
  ["no number", "m x 1 2 3 - 1"],
  ["a seq of 0", "m 1 0 2 3 - 1"],
  ["two spaces", "m 1  1 2 3 - 1"],
  ["a number past 2^53 - 1", "m 1 9007199254740992 2 3 - 1"],
  ["a chain past 48 bits", `m 1 1 ${2 ** 48} 3 - 1`],
  ["a subscription past 2^31", `m ${2 ** 31} 1 2 3 - 1`],
  ["a character that ids have not", "m 1 1 2 3 a,b 1"],
  ["an id of 129 characters", `m 1 1 2 3 ${"i".repeat(129)} 1`],
  ["no payload", "m 1 1 2 3 - "],
  ["no JSON", "m 1 1 2 3 - {"],
  ["a batch of none", "b 1 1 0 2 3 []"],
  ["a batch of another length", "b 1 1 2 2 3 [1,0,0]"],
  ["a batch that is no array", "b 1 1 1 2 3 {}"],
])("h5 h6 a record with %s is refused", (_, record) => {
  expect(read(record)).toBeUndefined();
});

test("h5 a message has its number, id and payload", () => {
  expect(read('m 3 41 7 1763779200000 p:9 {"text":"two words"}')).toMatchObject({
    no: 3,
    first: 41,
    count: 1,
    chain: 7,
    at: 1763779200000,
    id: "p:9",
    isBatch: false,
    data: { text: "two words" },
  });
});

test("d7 entries of a document that follow each other are one run, and others are not of it", () => {
  const text = "patch 4 10 5 1 - []\nmerge 4 11 6 1 - {}\nmerge 5 12 7 1 - {}\nping 1";
  const into = empty();
  expect(isChange(text, 0)).toBe(true);
  const end = readChanges(text, 0, into);
  expect(text.slice(0, end)).toBe("patch 4 10 5 1 - []\nmerge 4 11 6 1 - {}");
  expect(into).toMatchObject({ no: 4, first: 10, count: 2, chain: 6, kind: changes });
});

test("d7 an entry without a seq is refused", () => {
  expect(readChanges("patch 4 0 5 1 - []", 0, empty())).toBe(0);
  expect(readChanges("patch x 1 5 1 - []", 0, empty())).toBe(0);
});

test("d7 a snapshot keeps its value unread", () => {
  const into = empty();
  expect(readSnapshot('snapshot 2 9 77 3 {"a": 1}', into)).toBe(true);
  expect(into).toMatchObject({ no: 2, first: 9, chain: 77, at: 3, kind: snapshot, data: '{"a": 1}' });
  expect(readSnapshot("snapshot 2 9 77 3 ", empty())).toBe(false);
  expect(readSnapshot("snapshot 2 9 x 3 null", empty())).toBe(false);
});

test("d8 a checkpoint has a hash", () => {
  const into = empty();
  expect(isOfDocument("checkpoint 2 9 123")).toBe(true);
  expect(readCheckpoint("checkpoint 2 9 123", into)).toBe(123);
  expect(into).toMatchObject({ no: 2, first: 9 });
  expect(readCheckpoint("checkpoint 2 9", into)).toBeNaN();
});
