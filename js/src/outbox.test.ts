// The outbox as an app sees it: rows in IndexedDB, two tabs on one storage, a hub in this process.

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import { type Trial, trial } from "../testing/trial.js";
import type { Client, DeadLetter, Options, OutboxRow, Receipt } from "./api.js";

beforeEach(() => {
  vi.stubGlobal("indexedDB", new IDBFactory());
});

/** An offline tab with a durable outbox. */
async function offline(options: Options = {}): Promise<Trial & { client: Client }> {
  const made = await trial();
  made.browser.line.disconnect();
  return { ...made, client: made.connect({ outbox: {}, ...options }) };
}

/** The result of a promise, while the clock advances. */
async function given<T>({ clock }: Trial, promise: Promise<T>): Promise<T> {
  let outcome: { value: T } | { cause: unknown } | undefined;
  promise.then(
    (value) => {
      outcome = { value };
    },
    (cause) => {
      outcome = { cause };
    },
  );
  await clock.until(() => outcome !== undefined);
  if (outcome === undefined || "cause" in outcome) throw outcome?.cause;
  return outcome.value;
}

test("an offline publication is durable, listed and sent in order", async () => {
  const tab = await offline();
  const { client, hub, browser } = tab;
  const receipts: Receipt[] = [];
  for (const n of [1, 2, 3]) receipts.push(await given(tab, client.topic("a").publish({ n })));
  expect(receipts.every(({ durable }) => durable)).toBe(true);
  expect(client.outbox.size).toBe(3);
  const rows = await given(tab, client.outbox.rows());
  expect(rows.map(({ data, state, topic }) => [topic, data, state])).toEqual(
    [1, 2, 3].map((n) => ["a", { n }, "queued"]),
  );
  browser.line.restore();
  client.reconnect();
  const acks = await given(tab, Promise.all(receipts.map(({ acked }) => acked)));
  expect(acks.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(hub.isUp).toBe(true);
  await given(tab, client.outbox.flush());
  expect(client.outbox.size).toBe(0);
});

test("the next visit sends what a closed page has left, and its receipts reject", async () => {
  const tab = await offline();
  const receipt = await given(tab, tab.client.topic("a").publish("kept"));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "closed" });
  await tab.client.close();
  await acked;
  tab.browser.line.restore();
  const next = tab.connect({ outbox: {} });
  const heard: unknown[] = [];
  next.topic("a").subscribe(({ data, id }) => heard.push([data, typeof id]), { from: "start" });
  await tab.clock.until(() => heard.length > 0);
  expect(heard).toEqual([["kept", "string"]]);
  await tab.clock.until(() => next.outbox.size === 0);
});

test("a tab sees the rows of another one", async () => {
  const tab = await offline();
  const other = tab.connect({ outbox: {} });
  await given(tab, tab.client.topic("a").publish(1));
  await tab.clock.until(() => other.outbox.size === 1);
  expect((await given(tab, other.outbox.rows()))[0]?.data).toBe(1);
});

test("a discarded row is not sent, and its receipt rejects", async () => {
  const tab = await offline();
  const receipt = await given(tab, tab.client.topic("a").publish("discarded"));
  const last = await given(tab, tab.client.topic("a").publish("sent"));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "discarded" });
  await given(tab, tab.client.outbox.discard(receipt.id));
  tab.browser.line.restore();
  tab.client.reconnect();
  expect(await given(tab, last.acked)).toMatchObject({ seq: 1 });
  await acked;
  expect(tab.client.outbox.size).toBe(0);
  await expect(given(tab, tab.client.outbox.discard(receipt.id))).rejects.toMatchObject({
    code: "row_unknown",
  });
});

test("a wipe removes all rows, and their receipts reject", async () => {
  const tab = await offline();
  const receipt = await given(tab, tab.client.topic("a").publish(1));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "wiped" });
  await given(tab, tab.client.outbox.wipe());
  await acked;
  expect(await given(tab, tab.client.outbox.rows())).toEqual([]);
});

test("flush rejects if rows wait without a connection", async () => {
  const tab = await offline();
  await given(tab, tab.client.topic("a").publish(1));
  await expect(given(tab, tab.client.outbox.flush())).rejects.toMatchObject({ code: "not_flushed" });
});

test("a publication that expires offline is a dead letter that can be retried", async () => {
  const tab = await offline();
  const deadLetters: DeadLetter[] = [];
  tab.client.on("deadletter", (deadLetter) => deadLetters.push(deadLetter));
  const receipt = await given(tab, tab.client.topic("a").publish("late", { ttlMs: 1_000 }));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "expired" });
  await tab.clock.advance(60_000);
  tab.browser.line.restore();
  tab.client.reconnect();
  await tab.clock.until(() => deadLetters.length === 1);
  await acked;
  expect(deadLetters[0]).toMatchObject({ id: receipt.id, data: "late", reason: { code: "expired" } });
  await given(tab, tab.client.outbox.retry(receipt.id));
  const heard: unknown[] = [];
  tab.client.topic("a").subscribe(({ data }) => heard.push(data), { from: "start" });
  await tab.clock.until(() => heard.length === 1);
  expect(heard).toEqual(["late"]);
  expect(await given(tab, tab.client.outbox.deadLetters())).toEqual([]);
});

test("a row that was lost with its storage is a dead letter that can be retried", async () => {
  const tab = await offline();
  const receipt = await given(tab, tab.client.topic("a").publish("lost"));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "outbox_lost" });
  indexedDB.deleteDatabase("longhaul");
  await given(tab, acked);
  expect(await given(tab, tab.client.outbox.deadLetters())).toMatchObject([{ id: receipt.id, data: "lost" }]);
  await given(tab, tab.client.outbox.retry(receipt.id));
  expect(await given(tab, tab.client.outbox.deadLetters())).toEqual([]);
  expect(await given(tab, tab.client.outbox.rows())).toMatchObject([{ data: "lost", state: "queued" }]);
});

test("a dead letter can be read from its event on, and is retried once storage has it", async () => {
  const tab = await offline();
  const { client } = tab;
  let found: Promise<readonly DeadLetter[]> | undefined;
  client.on("deadletter", () => {
    found = client.outbox.deadLetters();
  });
  const receipt = await given(tab, client.topic("a").publish("bad"));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "payload_invalid" });
  const [name, producer] = await given(tab, partition());
  const sender = new BroadcastChannel(`longhaul:outbox:longhaul ${name}`);
  const row = Number(receipt.id.split(":")[1]);
  sender.postMessage([["dead", producer, row, 1, 5, "payload_invalid", "why"]]);
  await tab.clock.until(() => found !== undefined);
  await acked;
  expect(await given(tab, found ?? Promise.reject())).toMatchObject([{ id: receipt.id, data: "bad" }]);
  let outcome: unknown;
  client.outbox.retry(receipt.id).catch((error) => {
    outcome = error;
  });
  await tab.clock.advance(100);
  expect(outcome).toBeUndefined();
  // No tab has recorded the end here, and the leader still reports it.
  sender.postMessage([["outcomeStored", producer, row]]);
  await tab.clock.until(() => outcome !== undefined);
  expect(outcome).toMatchObject({ code: "row_unknown" });
  expect(await given(tab, client.outbox.deadLetters())).toEqual([]);
  sender.close();
});

test("without an outbox in storage rows are in memory, and say so", async () => {
  const tab = await trial();
  const client = tab.connect();
  const receipt = await given(tab, client.document("a").merge({ n: 1 }));
  expect(receipt.durable).toBe(false);
  expect(receipt.deferred).toBeUndefined();
  expect(await given(tab, client.outbox.rows())).toMatchObject([{ kind: "merge", data: { n: 1 } }]);
  expect(await given(tab, receipt.acked)).toMatchObject({ seq: 1 });
  expect(await client.outbox.persist()).toBe(false);
});

test("a key replaces an unsent row in its place", async () => {
  const tab = await offline();
  const { client } = tab;
  const first = await given(tab, client.topic("a").publish("old", { key: "k" }));
  await given(tab, client.topic("a").publish("between"));
  const second = await given(tab, client.topic("a").publish("new", { key: "k" }));
  expect(second.id).toBe(first.id);
  expect((await given(tab, client.outbox.rows())).map(({ data }) => data)).toEqual(["new", "between"]);
});

test("a change with an ack from another tab is not pending again while storage still has its row", async () => {
  const tab = await offline();
  const { client, clock } = tab;
  const document = client.document("d");
  document.onChange(() => {});
  const receipt = await given(tab, document.merge({ milk: 1 }));
  await clock.until(() => document.pending === 1);
  const [name, producer] = await given(tab, partition());
  // The tab that sent it was killed before it could record the end.
  const sender = new BroadcastChannel(`longhaul:outbox:longhaul ${name}`);
  const [, row] = receipt.id.split(":");
  sender.postMessage([["acked", producer, "00000000000000e1", [Number(row), 1, 10, 1, 0]]]);
  expect(await given(tab, receipt.acked)).toMatchObject({ seq: 1 });
  // A load query follows within a second of a tab message.
  await clock.advance(2_000);
  await given(tab, client.outbox.rows());
  await clock.advance(2_000);
  expect(await given(tab, storedKeys())).toEqual([Number(row)]);
  expect(await given(tab, client.outbox.rows())).toEqual([]);
  expect(document.pending).toBe(0);
  sender.close();
});

/** Reads the lists again at each event, as an app does, and compares the rows with the size. */
function watched({ outbox, on }: Client) {
  const seen = {
    rows: [] as readonly OutboxRow[],
    deadLetters: [] as readonly DeadLetter[],
    told: [] as string[],
    odd: 0,
  };
  let last = 0;
  on("deadletter", ({ data }) => seen.told.push(String(data)));
  on("outbox", async () => {
    const no = ++last;
    const rows = await outbox.rows();
    if (rows.length !== outbox.size) seen.odd++;
    const deadLetters = await outbox.deadLetters();
    if (no === last) Object.assign(seen, { rows, deadLetters });
  });
  return seen;
}

test.for([1, 2, 5])(
  "lists that are read again with each event have none of %o rows that have ended",
  async (count) => {
    for (const options of [{ outbox: {} }, {}]) {
      const tab = await trial();
      const client = tab.connect(options);
      const other = tab.connect(options);
      await tab.clock.until(() => client.status.state === "connected" && other.status.state === "connected");
      const lists = [watched(client), watched(other)];
      const calls = Array.from({ length: count }, (_, n) => client.topic("a").publish(n));
      const receipts = await given(tab, Promise.all(calls));
      await given(tab, Promise.all(receipts.map(({ acked }) => acked)));
      await tab.clock.advance(2_000);
      for (const { rows, odd } of lists) expect([rows, odd]).toEqual([[], 0]);
      await tab.end();
      vi.stubGlobal("indexedDB", new IDBFactory());
    }
  },
);

test.for(["the same tab", "another tab"])(
  "a row that %s discards offline shows as that until the hub is there",
  async (who) => {
    const tab = await offline();
    const other = tab.connect({ outbox: {} });
    const receipt = await given(tab, tab.client.topic("a").publish("x"));
    const acked = expect(receipt.acked).rejects.toMatchObject({ code: "discarded" });
    await tab.clock.until(() => other.outbox.size === 1);
    const clients = [tab.client, other];
    const lists = clients.map(watched);
    const discarding = (who === "another tab" ? other : tab.client).outbox.discard(receipt.id);
    await given(tab, discarding);
    await tab.clock.until(() => lists.every(({ rows }) => rows.length === 1));
    for (const { rows } of lists) expect(rows).toMatchObject([{ state: "discarding", attempts: 0 }]);
    await tab.clock.advance(2_000);
    for (const { outbox } of clients)
      expect(await given(tab, outbox.rows())).toMatchObject([{ state: "discarding", attempts: 0 }]);
    const heard: unknown[] = [];
    tab.client.topic("a").subscribe(({ data }) => heard.push(data), { from: "start" });
    tab.browser.line.restore();
    for (const client of clients) client.reconnect();
    await given(tab, acked);
    await tab.clock.until(() => clients.every(({ outbox }) => outbox.size === 0));
    await tab.clock.advance(2_000);
    for (const { rows, deadLetters } of lists) expect([rows, deadLetters]).toEqual([[], []]);
    expect(heard).toEqual([]);
  },
);

test("a sent row of the memory outbox is shown as discarding", async () => {
  const tab = await trial();
  const client = tab.connect();
  await tab.clock.until(() => client.status.state === "connected");
  const { id } = await given(tab, client.topic("a").publish("x"));
  tab.browser.line.disconnect();
  await tab.clock.advance(10);
  await given(tab, client.outbox.discard(id));
  const rows = await given(tab, client.outbox.rows());
  expect(rows).toMatchObject([{ state: "discarding", attempts: 1 }]);
});

test("each tab gets a dead letter once, and updates its list by events", async () => {
  const tab = await trial();
  const clients = [1, 2, 3].map(() => tab.connect({ outbox: {} }));
  await tab.clock.until(() => clients.every(({ status }) => status.state === "connected"));
  const lists = clients.map(watched);
  for (const [n, client] of clients.entries()) {
    const receipt = await given(tab, client.document("d").patch([{ op: "remove", path: `/${n}` }]));
    const acked = expect(receipt.acked).rejects.toMatchObject({ code: "patch_failed" });
    await tab.clock.advance(3_000);
    await acked;
    for (const { told, deadLetters } of lists) {
      expect(deadLetters.map(({ id }) => id)).toEqual([receipt.id]);
      expect(told).toHaveLength(n + 1);
    }
    await given(tab, (clients[(n + 1) % 3] ?? client).outbox.discard(receipt.id));
    await tab.clock.advance(1_000);
    for (const { deadLetters } of lists) expect(deadLetters).toEqual([]);
  }
  const receipt = await given(
    tab,
    (clients[0] as Client).document("d").patch([{ op: "remove", path: "/x" }]),
  );
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "patch_failed" });
  await tab.clock.advance(3_000);
  await acked;
  await given(tab, (clients[2] as Client).outbox.retry(receipt.id));
  await tab.clock.advance(3_000);
  for (const { deadLetters, rows } of lists) {
    expect(deadLetters).toHaveLength(1);
    expect(deadLetters[0]?.id).not.toBe(receipt.id);
    expect(rows).toEqual([]);
  }
});

test("dead letters in memory also fire events", async () => {
  const tab = await trial();
  const client = tab.connect();
  await tab.clock.until(() => client.status.state === "connected");
  const list = watched(client);
  const receipt = await given(tab, client.document("d").patch([{ op: "remove", path: "/x" }]));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "patch_failed" });
  await tab.clock.advance(1_000);
  await acked;
  expect(list.deadLetters.map(({ id }) => id)).toEqual([receipt.id]);
  await given(tab, client.outbox.discard(receipt.id));
  await tab.clock.advance(100);
  expect(list.deadLetters).toEqual([]);
});

async function storedKeys(): Promise<IDBValidKey[]> {
  const database = await answer(indexedDB.open("longhaul"));
  const keys = await answer(database.transaction("rows").objectStore("rows").getAllKeys());
  database.close();
  return keys;
}

/** The name and the producer of the one partition in storage. */
async function partition(): Promise<readonly [name: string, producer: string]> {
  const database = await answer(indexedDB.open("longhaul"));
  const store = database.transaction("partitions").objectStore("partitions");
  const [names, values] = [store.getAllKeys(), store.getAll()];
  const found = [await answer(names), await answer(values)] as const;
  database.close();
  return [String(found[0][0]), found[1][0][0]];
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

test("f11: what is being saved when the outbox is wiped is wiped, and what comes later goes out", async () => {
  const tab = await trial();
  const client = tab.connect({ outbox: {} });
  await given(tab, client.topic("a").publish(0));
  await given(tab, client.outbox.flush());
  const call = client.topic("a").publish("wiped");
  const refused = expect(call).rejects.toMatchObject({ code: "wiped" });
  await given(tab, client.outbox.wipe());
  await refused;
  expect(await given(tab, client.outbox.rows())).toEqual([]);
  const receipt = await given(tab, client.topic("a").publish("later"));
  expect(await given(tab, receipt.acked)).toMatchObject({ seq: 2, duplicate: false });
  expect(await given(tab, client.outbox.deadLetters())).toEqual([]);
});

test("f08: tabs that are opened together agree on the size, and flush settles in each", async () => {
  const tab = await trial();
  const clients = Array.from({ length: 12 }, () => tab.connect({ outbox: {} }));
  const receipts = await given(tab, Promise.all(clients.map((client, n) => client.topic("a").publish(n))));
  await given(tab, Promise.all(receipts.map(({ acked }) => acked)));
  await given(tab, Promise.all(clients.map(({ outbox }) => outbox.flush())));
  await tab.clock.until(() => clients.every(({ outbox }) => outbox.size === 0));
  for (const { outbox } of clients) expect(await given(tab, outbox.rows())).toEqual([]);
});

test("f33: readers see the receipt's id, and it does not have the outbox's name in it", async () => {
  const tab = await trial();
  for (const outbox of [{}, false as const]) {
    const client = tab.connect({ outbox });
    const heard: (string | undefined)[] = [];
    const stop = client.topic("a").subscribe(({ id }) => heard.push(id));
    await given(tab, client.topic("a").publish(0));
    const receipt = await given(tab, client.topic("a").publish(1));
    await tab.clock.until(() => heard.includes(receipt.id));
    expect(receipt.id).toMatch(/^[\w-]{22}:\d+$/);
    stop();
    await client.close();
  }
});

test("a dead letter in memory remains one if the outbox has no room for its retry", async () => {
  const tab = await offline({ outbox: { rowsMax: 1 } });
  const { outbox } = tab.client;
  const receipt = await given(tab, tab.client.topic("a").publish("lost"));
  const acked = expect(receipt.acked).rejects.toMatchObject({ code: "outbox_lost" });
  indexedDB.deleteDatabase("longhaul");
  await given(tab, acked);
  const other = await given(tab, tab.client.topic("a").publish("other"));
  await expect(given(tab, outbox.retry(receipt.id))).rejects.toMatchObject({ code: "outbox_full" });
  expect(await given(tab, outbox.deadLetters())).toMatchObject([{ id: receipt.id, data: "lost" }]);
  await given(tab, outbox.discard(other.id));
  tab.browser.line.restore();
  tab.client.reconnect();
  await tab.clock.until(() => outbox.size === 0);
  await given(tab, outbox.retry(receipt.id));
  expect(await given(tab, outbox.deadLetters())).toEqual([]);
});

test("the outbox event is also fired when a row that waited is sent", async () => {
  const tab = await offline();
  const { client } = tab;
  await given(tab, client.topic("a").publish(1));
  const states: string[] = [];
  client.on("outbox", async () => {
    for (const { state } of await client.outbox.rows()) states.push(state);
  });
  tab.browser.line.latencyMs = 400;
  tab.browser.line.restore();
  client.reconnect();
  await tab.clock.until(() => client.outbox.size === 0);
  expect(states).toContain("sent");
});
