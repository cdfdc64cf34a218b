import { expect, test } from "vitest";
import { type PublicationObserver, Publications } from "./publications.js";
import type { Row } from "./rows.js";

const made = (): Publications =>
  new Publications(
    (row) => `p:${row}`,
    () => "next-visit",
    () => {},
  );

const change: Row = ["p", "d", 2, "{}", 2, 0, 1_000, false, undefined, 0, 0, "tag"];

/** An observer that records its calls. */
function recording(calls: string[]): () => PublicationObserver {
  return () => ({
    queued: (row) => calls.push(`queued ${row}`),
    acked: (row) => calls.push(`acked ${row}`),
    dead: (row) => calls.push(`dead ${row}`),
  });
}

test("a row of a document that is forgotten is no longer pending there", () => {
  const calls: string[] = [];
  const publications = made();
  publications.restored(7, change);
  publications.adopt("d", recording(calls));
  publications.forget(7);
  publications.adopt("d", recording(calls));
  expect(calls).toEqual(["queued 7", "dead 7"]);
});

test("a discarded change leaves its document at once, and does not come back", () => {
  const calls: string[] = [];
  const publications = made();
  publications.restored(7, change);
  publications.adopt("d", recording(calls));
  publications.discard(7);
  publications.discard(7);
  publications.restored(7, change);
  publications.adopt("d", recording(calls));
  expect(calls).toEqual(["queued 7", "dead 7"]);
  // Another page has recorded it in storage.
  publications.restored(8, [...change.slice(0, 9), 2, ...change.slice(10)] as unknown as Row);
  publications.adopt("d", recording(calls));
  expect(calls).toEqual(["queued 7", "dead 7"]);
});

test("rows that the next core reads from storage are observed again, and ended ones are not", () => {
  const calls: string[] = [];
  const publications = made();
  publications.restored(7, change);
  publications.restored(8, change);
  publications.adopt("d", recording(calls));
  publications.forgetOthers();
  publications.restored(8, change);
  publications.adopt("d", recording(calls));
  expect(calls).toEqual(["queued 7", "queued 8", "dead 7", "dead 8", "queued 8"]);
  expect(publications.payload(7)).toBe("");
});

test("a key from storage that is too long is dropped", () => {
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

test("a row with a receipt survives a crash", async () => {
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
