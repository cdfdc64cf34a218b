import { beforeEach, expect, test, vi } from "vitest";
import { Outgoing } from "./outgoing.js";

/** The approximate limit of a frame: js/src/outgoing.ts. */
const frameChars = 64 * 1024;

const posted: [connection: number, frame: string][] = [];
let outgoing: Outgoing;

beforeEach(() => {
  posted.length = 0;
  outgoing = new Outgoing((connection, frame) => posted.push([connection, frame]));
});

/** A publication as the core writes it: its time limit and its record. */
function limited(n: number, chars: number): string {
  return `until 1796000000000\npub p ${n} 0 t ${"x".repeat(chars)}`;
}

test("f09 nothing is posted within the turn that adds it, however much it is", async () => {
  for (let n = 1; n <= 200; n++) outgoing.addWhole(1, limited(n, 1_000));
  expect(posted).toEqual([]);
  await undefined;
  expect(posted.length).toBeGreaterThan(3);
  for (const [, frame] of posted) expect(frame.length).toBeLessThanOrEqual(frameChars);
});

test("f09 a publication and the limit of its time are in the same frame", async () => {
  const expected: string[] = [];
  for (let n = 1; n <= 300; n++) {
    const records = limited(n, n === 150 ? 2 * frameChars : 700 + n);
    expected.push(records);
    outgoing.addWhole(1, records);
  }
  await undefined;
  for (const [, frame] of posted) {
    const verbs = frame.split("\n").map((record) => record.split(" ")[0]);
    expect(verbs).toEqual(verbs.map((_, i) => (i % 2 === 0 ? "until" : "pub")));
  }
  expect(posted.map(([, frame]) => frame).join("\n")).toBe(expected.join("\n"));
});

test("records that may be apart are split between two of them, and keep their order", async () => {
  const records = Array.from({ length: 5_000 }, (_, no) => `sub ${no} topic-${no} live`);
  outgoing.add(1, records.join("\n"));
  await undefined;
  expect(posted.length).toBeGreaterThan(1);
  expect(posted.flatMap(([, frame]) => frame.split("\n"))).toEqual(records);
});

test("records that listeners add during a post come after it", async () => {
  outgoing = new Outgoing((connection, frame) => {
    posted.push([connection, frame]);
    if (posted.length === 1) outgoing.addWhole(3, "c");
  });
  outgoing.addWhole(1, "a");
  outgoing.addWhole(2, "b");
  await vi.waitFor(() => expect(posted).toHaveLength(3));
  expect(posted).toEqual([
    [1, "a"],
    [2, "b"],
    [3, "c"],
  ]);
});

test("a crash while a post lets listeners run drops the rest", async () => {
  outgoing = new Outgoing((connection, frame) => {
    posted.push([connection, frame]);
    outgoing.drop();
  });
  outgoing.addWhole(1, "a");
  outgoing.addWhole(2, "b");
  await undefined;
  expect(posted).toEqual([[1, "a"]]);
});

test("a socket gets the records of a turn in one frame, and none when it is closing", async () => {
  vi.stubGlobal("WebSocket", { OPEN: 1 });
  const frames: string[] = [];
  const socket = (readyState: number) =>
    ({ readyState, send: (frame: string) => frames.push(frame) }) as unknown as WebSocket;
  const open = socket(1);
  outgoing.add(open, "a");
  outgoing.addWhole(open, "b");
  outgoing.add(socket(2), "lost");
  await undefined;
  expect(frames).toEqual(["a\nb"]);
  expect(outgoing.charsSent).toBe(3);
});
