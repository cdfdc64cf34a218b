// The torn records that a kill leaves in the browser's log, and how the tests treat them.

import { expect, test } from "@playwright/test";
import { faultsOf } from "./support/conservation.js";
import { tear, wholeBytes } from "./support/leveldb.js";
import { Trial } from "./support/trial.js";

function record(kind: number, length: number): Buffer {
  const bytes = Buffer.alloc(7 + length, "x");
  bytes.writeUInt16LE(length, 4);
  bytes.writeUInt8(kind, 6);
  return bytes;
}

test("a log that a kill has cut anywhere ends with its last whole record", () => {
  // A whole record, one in three parts over the end of a block, which leaves four bytes, and
  // another whole one.
  const records = [
    [record(1, 100)],
    [record(2, 1_000), record(3, 31_643), Buffer.alloc(4), record(4, 50)],
    [record(1, 8)],
  ];
  const log = Buffer.concat(records.flat());
  const ends = [0, 107, 107 + 1_007 + 31_650 + 4 + 57, log.length];
  expect(ends[2]).toBeGreaterThan(32_768);
  const lengths = Array.from({ length: log.length + 1 }, (_, length) => length);
  expect(lengths.map((length) => wholeBytes(log.subarray(0, length)))).toEqual(
    lengths.map((length) => ends.findLast((end) => end <= length)),
  );
});

test("the padding at the end of a block is not torn", () => {
  const log = Buffer.concat([record(1, 32_768 - 7 - 4), Buffer.alloc(4), record(1, 1)]);
  expect(wholeBytes(log.subarray(0, 32_768))).toBe(32_768);
  expect(wholeBytes(log.subarray(0, 32_768 + 3))).toBe(32_768);
  expect(wholeBytes(log)).toBe(log.length);
});

test("s01: a kill during a write of the browser costs no row", async () => {
  const trial = await Trial.begin("chromium", 1);
  const conditions = { isOffline: true, reports: 40 };
  await trial.runUntilKilled(conditions);
  tear(trial.profile);
  // A record behind the torn one is not read again, and all earlier data goes with it.
  await trial.runUntilKilled(conditions);
  await trial.runUntilKilled(conditions);
  const history = await trial.history();
  await trial.end();
  expect(faultsOf(history)).toEqual([]);
  expect(history.queued.length).toBeGreaterThan(20);
  expect(trial.torn).toBeGreaterThan(0);
});
