// The outbox of a page, over a core that records its calls.

import { expect, test, vi } from "vitest";
import { base, clock, memoryRows, neighbour, scene } from "../testing/scene.js";
import type { DeadLetter, ErrorCode } from "./api.js";
import type { Publication } from "./publications.js";
import type { Partition, Row } from "./rows.js";
import { Storage, type StorageDependencies } from "./storage.js";

const row = (text: string, code?: ErrorCode): Row => {
  const known = ["p", "a", 0, text, text.length, 1, 2, true, undefined, 0, 0, undefined] as const;
  return code === undefined ? known : [...known, code, "why"];
};

/** A publication that has ended, and its dead letter. */
function ended(
  id: string,
  data: unknown,
  isDurable = false,
  more: Partial<DeadLetter> = {},
): [Publication, DeadLetter] {
  const reason = { code: "closed", message: "why" } as const;
  const publication = { topic: "a", kind: 0, text: JSON.stringify(data), isDurable };
  const common = { id, topic: "a", attempts: 1, createdAtMs: 1, data };
  return [publication as Publication, { ...common, kind: "message", reason, ...more }];
}

const all = Number.POSITIVE_INFINITY;
const unknown = expect.objectContaining({ code: "row_unknown" });

test("another subject is refused with both names, and the same subject is accepted", () => {
  const { storage } = scene();
  storage.enter("u");
  storage.enter("u");
  expect(() => storage.enter("v")).toThrow(
    expect.objectContaining({
      code: "subject_mismatch",
      message: `the token belongs to "v", the outbox to "u"`,
    }),
  );
  expect(storage.identity.partitionName).toBe("https://hub.test/ u");
});

test("a token sets the subject, and a token without one sets that of no user", () => {
  const { storage } = scene();
  storage.enterWithToken("u");
  storage.enterWithToken(undefined);
  expect(() => storage.enterWithToken("v")).toThrow(expect.objectContaining({ code: "subject_mismatch" }));
  const nobody = scene().storage;
  nobody.enterWithToken(undefined);
  expect(() => nobody.enterWithToken("u")).toThrow(expect.objectContaining({ code: "subject_mismatch" }));
});

test("the partition's name resolves once the subject is known, for earlier calls too", async () => {
  const { storage } = scene();
  let name: string | undefined;
  void storage.partitionName().then((known) => {
    name = known;
  });
  await clock.settle();
  expect(name).toBeUndefined();
  storage.enter("u");
  await clock.settle();
  expect(name).toBe("https://hub.test/ u");
  expect(await storage.partitionName()).toBe("https://hub.test/ u");
});

test("a client that closes before it has a subject names no partition and opens no channel", async () => {
  const { storage } = scene();
  const named = vi.fn();
  void storage.partitionName().then(named);
  storage.close();
  storage.enter("u");
  void storage.partitionName().then(named);
  await clock.settle();
  expect(named).not.toHaveBeenCalled();
  const { received } = neighbour("db https://hub.test/ u");
  storage.broadcast(["outcomeStored", "p", 1]);
  await clock.settle();
  expect(received).toEqual([]);
});

test("a candidature from before the partition has a name counts", async () => {
  const { core, storage } = scene();
  storage.seekLeadership();
  storage.enter("u");
  await storage.partitionName();
  await clock.settle();
  // Without locks every client leads.
  expect(core.calls).toEqual([["leader", true]]);
});

test("ids show the public name of the outbox that a row is in, never the outbox's own", () => {
  const { storage } = scene();
  expect(storage.id(5)).toBe("public-p:5");
  expect(storage.id(memoryRows + 5)).toBe(`public-${storage.identity.memoryProducer}:5`);
  expect(storage.identity.durableProducer).toBe("p");
});

test("calls for the producer resolve as soon as there is one", async () => {
  const { core, scheduler, storage } = scene();
  core.name = "";
  const names: string[] = [];
  for (const call of [storage.producer(), storage.producer()]) void call.then((name) => names.push(name));
  await clock.settle();
  expect(names).toEqual([]);
  core.name = "q";
  scheduler.settle();
  await clock.settle();
  expect(names).toEqual(["q", "q"]);
  expect([storage.identity.durableProducer, storage.id(1)]).toEqual(["q", "public-q:1"]);
});

const whole: Partition = ["p", base, "u", true, "/token", false];

test("a new partition has a producer of its own, and the facts for a worker", () => {
  const { storage } = scene({ hasToken: true, tokenUrl: "/token" });
  storage.enter("u");
  const [producer, ...known] = storage.identity.partition(undefined);
  expect(producer).toMatch(/^[0-9a-f]{32}$/);
  expect(known).toEqual(whole.slice(1));
  expect(storage.identity.partition(undefined)[0]).not.toBe(producer);
});

test("a page brings a partition up to date and keeps what a later version has added; a worker leaves it as it is", () => {
  const { storage } = scene({ hasToken: true, tokenUrl: "/token" });
  storage.enter("u");
  const before = ["p", base, "u", false, undefined, true, "formers", "added"] as unknown as Partition;
  expect(storage.identity.partition(before)).toBe(before);
  vi.stubGlobal("document", {});
  expect(storage.identity.partition(before)).toEqual([...whole, "formers", "added"]);
  const same = [...whole, "formers"] as unknown as Partition;
  // An unchanged partition is not written again.
  expect(storage.identity.partition(same)).toBe(same);
});

test("dead letters in memory are kept, the newest 1,000 of them", async () => {
  const { storage } = scene();
  for (let n = 0; n < 1_001; n++) storage.keep(memoryRows + n, ...ended(`m:${n}`, n));
  const deadLetters = await storage.deadLetters();
  expect(deadLetters).toHaveLength(1_000);
  expect([deadLetters[0]?.id, deadLetters.at(-1)?.id]).toEqual(["m:1", "m:1000"]);
});

test("a dead letter in memory is published again, once, and removed", async () => {
  const { core, storage, published } = scene();
  const id = storage.id(memoryRows + 3);
  storage.keep(memoryRows + 3, ...ended(id, { n: 1 }));
  await storage.retry(id);
  expect(published).toEqual([["a", '{"n":1}', 0]]);
  expect(core.calls).toEqual([["tabDeadLetterTaken", storage.identity.memoryProducer, 3]]);
  expect(await storage.deadLetters()).toEqual([]);
  await expect(storage.retry(id)).rejects.toEqual(unknown);
  expect(published).toHaveLength(1);
});

test("a dead letter in storage becomes a row again, and the other tabs get messages", async () => {
  const { core, storage } = scene();
  storage.enter("u");
  await storage.partitionName();
  const { received } = neighbour("db https://hub.test/ u");
  core.stores.deadLetters = [[7, row("1", "expired")]];
  expect(await storage.deadLetters()).toMatchObject([
    { id: "public-p:7", data: 1, reason: { code: "expired", message: "why" } },
  ]);
  await storage.retry("public-p:7");
  await clock.settle();
  expect(received).toEqual([
    ["deadLetterTaken", "p", 7],
    ["added", "p", 90, 1, 1],
  ]);
  expect(core.calls).toEqual([
    ["tabDeadLetterTaken", "p", 7],
    ["tabAdded", "p", 90, 1, 1],
  ]);
  await expect(storage.retry("public-p:7")).rejects.toEqual(unknown);
});

test("a dead letter that is discarded does not come back as a row", async () => {
  const { core, storage } = scene();
  core.stores.deadLetters = [[7, row("1", "expired")]];
  const taken = vi.spyOn(core, "takeDeadLetter");
  await storage.discard("public-p:7");
  expect(taken.mock.calls).toEqual([[7, false]]);
  storage.keep(memoryRows, ...ended("m:0", 0));
  await storage.discard("m:0");
  expect(core.calls).toEqual([
    ["tabDeadLetterTaken", "p", 7],
    ["tabDeadLetterTaken", storage.identity.memoryProducer, 0],
  ]);
  expect(await storage.deadLetters()).toEqual([]);
});

test("another tab may take a dead letter first: then it is not known here", async () => {
  const { core, storage } = scene();
  core.stores.deadLetters = [[7, row("1", "expired")]];
  core.takeDeadLetter = async () => undefined;
  await expect(storage.retry("public-p:7")).rejects.toEqual(unknown);
  expect(core.calls).toEqual([]);
});

test("a row is discarded by its id, and never another row with the same number", async () => {
  const volatile = [[memoryRows + 2, { id: "shown" }]];
  const discard = vi.fn();
  const known = { attempts: () => 0, has: () => false, volatile: () => volatile, discard };
  const publications = known as unknown as StorageDependencies["publications"];
  const { core, scheduler, storage } = scene({ publications });
  core.stores.rows = [[2, row("2")]];
  await storage.discard("public-p:2");
  await storage.discard(storage.id(memoryRows + 2));
  core.name = "q";
  scheduler.settle();
  expect((await storage.rows()).map(({ id }) => id)).toEqual(["public-q:2", "shown"]);
  await storage.discard("public-p:2");
  expect(core.calls).toEqual([
    ["cancel", 2],
    ["cancel", memoryRows + 2],
    ["cancel", 2],
  ]);
  expect(discard.mock.calls).toEqual([[2], [memoryRows + 2], [2]]);
  await expect(storage.discard("public-r:2")).rejects.toMatchObject({ code: "row_unknown" });
  await expect(storage.discard("public-p:3")).rejects.toThrow("no row or dead letter public-p:3");
});

test("rows() leaves out a row that has ended, also when storage answers with an older state", async () => {
  const { core, storage } = scene();
  core.stores.rows = [1, 2, 3, 4].map((n) => [n, row(String(n))]);
  const shown = async () => (await storage.rows()).map(({ data }) => data);
  storage.receive(["acked", "p", "e", [1, 1, 1, 1, 0]]);
  storage.receive(["acked", "another outbox", "e", [2, 1, 1, 1, 0]]);
  storage.receive(["dead", "p", 3, 1, 1, "expired", "why"]);
  expect(await shown()).toEqual([2, 4]);
  const asked = shown();
  storage.broadcast(["outcomeStored", "p", 1]);
  storage.receive(["outcomeStored", "p", 3]);
  expect(await asked).toEqual([2, 4]);
  // By now storage has removed these rows, and new ones may have their numbers.
  expect(await shown()).toEqual([1, 2, 3, 4]);
});

test("rows that this tab wipes are not shown, unless the wipe is never done or fails", async () => {
  const { core, storage } = scene();
  core.stores.rows = [[1, row("1")]];
  // Rows that another tab wipes count until it has finished.
  storage.receive(["wiped", true]);
  expect(await storage.rows()).toHaveLength(1);
  storage.receive(["wiped", true], "self");
  await clock.advance(9_999);
  expect(await storage.rows()).toEqual([]);
  await clock.advance(1);
  expect(await storage.rows()).toHaveLength(1);
  let done = (_last: number): void => {};
  core.wipe = () => new Promise((resolve) => (done = resolve));
  const wiping = storage.wipe();
  expect(await storage.rows()).toEqual([]);
  done(1);
  await wiping;
  expect(await storage.rows()).toHaveLength(1);
  core.wipe = async () => undefined;
  await expect(storage.wipe()).rejects.toMatchObject({ code: "storage_unavailable" });
  expect(await storage.rows()).toHaveLength(1);
});

test("a dead letter of another tab's row is announced once, after storage has it", async () => {
  const deadLetters: string[] = [];
  const changed = vi.fn();
  const { core, storage } = scene({ changed, deadLetter: ({ id }) => deadLetters.push(id) });
  for (const n of [7, 8, 9])
    storage.receive(["dead", "p", n, 1, 1, n === 8 ? "discarded" : "expired", "why"]);
  // The core knew this row.
  storage.keep(9, ...ended("public-p:9", 9, true));
  core.stores.deadLetters = [7, 9].map((n) => [n, row(String(n), "expired")]);
  changed.mockClear();
  for (const n of [7, 8, 9, 7]) storage.receive(["outcomeStored", "p", n]);
  await clock.settle();
  expect(deadLetters).toEqual(["public-p:7"]);
  expect(changed).toHaveBeenCalled();
});

test("dead letters that a load query has found can be retried, and leave the list", async () => {
  const { core, storage, published } = scene();
  storage.keep(7, ...ended("public-p:7", 1, true));
  core.stores.deadLetters = [[7, row("1", "expired")]];
  await storage.retry("public-p:7");
  expect(await storage.deadLetters()).toEqual([]);
  storage.keep(8, ...ended("public-p:8", 1, true));
  storage.receive(["deadLetterTaken", "p", 8]);
  expect(await storage.deadLetters()).toEqual([]);
  // Storage never gets a dead letter with an unknown outcome.
  const reason = { code: "outcome_unknown", message: "why" } as const;
  storage.keep(9, ...ended("public-p:9", 9, true, { reason }));
  await storage.retry("public-p:9");
  expect(published).toEqual([["a", "9", 0]]);
});

test("a retry waits until storage has the dead letter, and only its own outbox can say so", async () => {
  const { core, storage } = scene();
  storage.keep(7, ...ended("public-p:7", 1, true));
  expect(await storage.deadLetters()).toHaveLength(1);
  let isDone = false;
  void storage.retry("public-p:7").then(() => {
    isDone = true;
  });
  storage.receive(["outcomeStored", "q", 7]);
  storage.receive(["outcomeStored", "p", 8]);
  await clock.settle();
  expect(isDone).toBe(false);
  core.stores.deadLetters = [[7, row("1", "expired")]];
  storage.receive(["outcomeStored", "p", 7]);
  await clock.settle();
  expect(isDone).toBe(true);
});

test.for<[string, (storage: Storage) => void]>([
  ["this tab records it", (storage) => storage.broadcast(["outcomeStored", "p", 7])],
  ["all are wiped", (storage) => storage.receive(["wiped"])],
  ["the client is closed", (storage) => storage.close()],
])("a retry waits no longer when %s", async ([, act]) => {
  const { storage } = scene();
  storage.keep(7, ...ended("public-p:7", 1, true));
  const retried = expect(storage.retry("public-p:7")).rejects.toEqual(unknown);
  await clock.settle();
  act(storage);
  await retried;
});

test("a flush waits until nothing waits any more, with all who asked", async () => {
  const { core, scheduler, storage } = scene();
  const done = vi.fn();
  for (const flush of [storage.flush(), storage.flush()]) void flush.then(done);
  await clock.settle();
  expect(done).not.toHaveBeenCalled();
  core.idle = true;
  scheduler.settle();
  await clock.settle();
  expect(done).toHaveBeenCalledTimes(2);
});

test("a flush rejects if nothing can be sent, and if rows wait for something else", async () => {
  await expect(scene({ isStuck: () => true }).storage.flush()).rejects.toMatchObject({ message: "stuck" });
  const { core, storage } = scene();
  core.stopped = true;
  core.idle = true;
  await expect(storage.flush()).rejects.toMatchObject({
    code: "not_flushed",
    message: "rows wait for a dead letter, for disk space, or for storage",
  });
});

test("a wipe sends messages to the core and to other tabs before and after, and removes dead letters in memory", async () => {
  const { core, storage } = scene();
  storage.enter("u");
  await storage.partitionName();
  const { received } = neighbour("db https://hub.test/ u");
  storage.keep(memoryRows, ...ended("m:0", 0));
  core.wiped = 7;
  await storage.wipe();
  await clock.settle();
  expect(core.calls).toEqual([
    ["tabWiped", false, all, all],
    ["tabWiped", true, all, all],
  ]);
  expect(received).toEqual([
    ["wiped", true],
    ["wiped", undefined, 7, Date.now()],
  ]);
  expect(await storage.deadLetters()).toEqual([]);
});

test("f11: another tab's wipe removes dead letters in memory, except those that were published later", async () => {
  const { storage } = scene();
  for (const createdAtMs of [99, 100]) {
    storage.keep(memoryRows, ...ended(`m:${createdAtMs}`, 0, false, { createdAtMs }));
  }
  const kept = async (): Promise<string[]> => (await storage.deadLetters()).map(({ id }) => id);
  storage.receive(["wiped", true]);
  expect(await kept()).toEqual(["m:99", "m:100"]);
  storage.receive(["wiped", undefined, 0, 100]);
  expect(await kept()).toEqual(["m:100"]);
  storage.receive(["wiped"]);
  expect(await kept()).toEqual([]);
});

test("a wipe of storage that can't be reached rejects, and sending has stopped", async () => {
  const { core, storage } = scene();
  storage.enter("u");
  await storage.partitionName();
  const { received } = neighbour("db https://hub.test/ u");
  core.wiped = undefined;
  await expect(storage.wipe()).rejects.toMatchObject({ code: "storage_unavailable" });
  await clock.settle();
  expect(core.calls).toEqual([["tabWiped", false, all, all]]);
  // Their rows in memory are still removed.
  expect(received.at(-1)).toEqual(["wiped", undefined, 0, Date.now()]);
});

test("without a database nothing is asked of storage", async () => {
  const { core, scheduler } = scene();
  core.wiped = undefined;
  core.stores.rows = [[1, row("1")]];
  const publications = { volatile: () => [], attempts: () => 0 };
  const dependencies = { scheduler, publications, isStuck: () => false, changed: () => {} };
  const memory = new Storage(undefined, base, dependencies as unknown as StorageDependencies);
  await memory.wipe();
  expect(await memory.rows()).toEqual([]);
  await memory.saveDocument("d", { epoch: "e", seq: 1, json: "{}" });
  expect(core.kepts.size).toBe(0);
  core.kepts.set("d", ["partition", "e", 1, "{}"]);
  expect(await memory.savedDocument("d")).toBeUndefined();
});

test("a document's confirmed value is saved while own changes wait", async () => {
  const { storage } = scene();
  expect(await storage.savedDocument("d")).toBeUndefined();
  await storage.saveDocument("d", { epoch: "e", seq: 1, json: "{}" });
  expect(await storage.savedDocument("d")).toEqual({ epoch: "e", seq: 1, json: "{}" });
  await storage.saveDocument("d", undefined);
  expect(await storage.savedDocument("d")).toBeUndefined();
});

test("after the end the size is what it was", () => {
  const { core, scheduler, storage } = scene();
  core.rowCount = 3;
  expect([storage.size, storage.isWaiting()]).toEqual([3, true]);
  storage.close();
  scheduler.core = undefined;
  expect(storage.size).toBe(3);
});

test("after close no message of another tab is handled, and no timer is left", async () => {
  const before = clock.timers;
  const { core, scheduler, storage } = scene();
  storage.enter("u");
  await storage.partitionName();
  const { send } = neighbour("db https://hub.test/ u");
  core.rowCount = 1;
  scheduler.settle();
  expect(clock.timers).toBe(before + 1);
  storage.close();
  await clock.settle();
  expect(clock.timers).toBe(before);
  await send(["outcomeStored", "p", 1]);
  expect(core.calls).toEqual([]);
});
