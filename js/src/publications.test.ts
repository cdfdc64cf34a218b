import { expect, test } from "vitest";
import { type PublicationObserver, Publications } from "./publications.js";
import type { Row } from "./rows.js";

const made = (): Publications =>
  new Publications(
    (row) => `p:${row}`,
    () => "next-visit",
  );

const change: Row = ["p", "d", 2, "{}", 2, 0, 1_000, false, undefined, 0, 0, "tag"];

/** Notes what a document is told. */
function following(told: string[]): () => PublicationObserver {
  return () => ({
    queued: (row) => told.push(`queued ${row}`),
    acked: (row) => told.push(`acked ${row}`),
    dead: (row) => told.push(`dead ${row}`),
  });
}

test("a row of a document that is forgotten is no longer pending there", () => {
  const told: string[] = [];
  const publications = made();
  publications.restored(7, change);
  publications.adopt("d", following(told));
  publications.forget(7);
  publications.adopt("d", following(told));
  expect(told).toEqual(["queued 7", "dead 7"]);
});

test("what the user discards leaves its document at once, and is not found again", () => {
  const told: string[] = [];
  const publications = made();
  publications.restored(7, change);
  publications.adopt("d", following(told));
  publications.discard(7);
  publications.discard(7);
  publications.restored(7, change);
  publications.adopt("d", following(told));
  expect(told).toEqual(["queued 7", "dead 7"]);
  // Another page has noted it in storage.
  publications.restored(8, [...change.slice(0, 9), 2, ...change.slice(10)] as unknown as Row);
  publications.adopt("d", following(told));
  expect(told).toEqual(["queued 7", "dead 7"]);
});

test("what the next core finds in storage is followed anew, and what has ended meanwhile is not", () => {
  const told: string[] = [];
  const publications = made();
  publications.restored(7, change);
  publications.restored(8, change);
  publications.adopt("d", following(told));
  publications.forgetOthers();
  publications.restored(8, change);
  publications.adopt("d", following(told));
  expect(told).toEqual(["queued 7", "queued 8", "dead 7", "dead 8", "queued 8"]);
  expect(publications.payload(7)).toBe("");
});

test("a key of storage's that is longer than keys may be is not kept", () => {
  const publications = made();
  for (const [row, chars] of [
    [7, 255],
    [8, 256],
  ] as const) {
    const settle = { resolve: () => {}, reject: () => {} };
    const call = {
      topic: "d",
      kind: 0,
      text: "1",
      options: {},
      calledAtMs: 0,
      observer: undefined,
      ...settle,
    };
    publications.queued(publications.begin(call), row, true);
    publications.restored(row, change.with(8, "k".repeat(chars)) as unknown as Row);
  }
  expect(publications.awaited.map(([, { key }]) => key?.length)).toEqual([255, undefined]);
});

test("a row that somebody waits for outlives a crash", async () => {
  const publications = made();
  const receipt = new Promise<{ acked: Promise<unknown> }>((resolve, reject) => {
    const call = {
      topic: "d",
      kind: 0,
      text: "1",
      options: {},
      calledAtMs: 0,
      observer: undefined,
      resolve,
      reject,
    };
    publications.queued(publications.begin(call), 7, true);
  });
  const { acked } = await receipt;
  publications.forgetOthers();
  const ack = { epoch: "e", seq: 1, duplicate: false };
  publications.acked(7, ack);
  expect(await acked).toEqual(ack);
});
