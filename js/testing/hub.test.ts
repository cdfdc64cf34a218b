import { expect, test } from "vitest";
import { createTestHub } from "./index.js";
import { trial } from "./trial.js";

test("a back end's calls do what the hub does, and throw its codes", async () => {
  const { hub } = await trial({ limits: { retainEntries: 2 } });
  for (const n of [1, 2, 3]) hub.publish("a", { n });
  expect(hub.entries("a")).toMatchObject([
    { seq: 2, data: { n: 2 } },
    { seq: 3, data: { n: 3 } },
  ]);
  expect(hub.entries("never")).toEqual([]);
  expect(hub.publish("a", "once", { key: "k" })).toMatchObject({ seq: 4, duplicate: false });
  expect(hub.publish("a", "once", { key: "k" })).toMatchObject({ seq: 4, duplicate: true });
  expect(() => hub.publish("a", "twice", { key: "k" })).toThrow("id_conflict");
  expect(() => hub.merge("a", {})).toThrow("not_a_document");
  expect(() => hub.publish("not a topic", 1)).toThrow("topic_invalid");
  expect(hub.document("plan")).toBeUndefined();
  hub.merge("plan", { n: 1 });
  hub.patch("plan", [{ op: "add", path: "/m", value: 2 }]);
  expect(hub.document("plan")).toEqual({ n: 1, m: 2 });
  expect(() => hub.patch("plan", [{ op: "remove", path: "/none" }])).toThrow("patch_failed");
});

test("retention follows the clock", async () => {
  const { clock, hub } = await trial({ limits: { retainMs: 10_000 } });
  hub.publish("a", 1);
  await clock.advance(20_000);
  hub.publish("a", 2);
  expect(hub.entries("a").map(({ seq }) => seq)).toEqual([2]);
});

test("the hub's own clock may differ", async () => {
  const { clock, hub } = await trial();
  hub.skewMs = 5_000;
  hub.publish("a", 1);
  expect(hub.entries("a")[0]?.publishedAtMs).toBe(clock.now() + 5_000);
});

test("unknown limits, and limits that contradict each other, are named", async () => {
  const limits = { retainMs: -1 };
  await expect(trial({ limits })).rejects.toThrow("limits.retainMs is -1");
  await expect(createTestHub({ limits: { nothing: 1 } as object })).rejects.toThrow("limits.nothing is 1");
  const misfit = { payloadBytesMax: 300_000 };
  await expect(createTestHub({ limits: misfit })).rejects.toThrow("the largest payload does not fit");
});
