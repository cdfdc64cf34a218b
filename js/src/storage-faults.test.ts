// Storage that fails under a client: the real wasm over IndexedDB that breaks on request.

import "fake-indexeddb/auto";
import { IDBDatabase as Databases, IDBFactory, IDBObjectStore as Stores } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import { type Trial, trial } from "../testing/trial.js";
import type { Client, LonghaulError, Options } from "./api.js";

beforeEach(() => {
  vi.stubGlobal("indexedDB", new IDBFactory());
});

/** An offline tab. */
async function offline(options: Options = {}): Promise<Trial & { client: Client; errors: LonghaulError[] }> {
  const made = await trial();
  made.browser.line.disconnect();
  const errors: LonghaulError[] = [];
  const onError = (error: LonghaulError): number => errors.push(error);
  return { ...made, errors, client: made.connect({ outbox: {}, onError, ...options }) };
}

/** Makes all writes fail, as on a full disk. Returns a function that ends that. */
function full(): () => void {
  const quota = (): never => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const spies = (["add", "put"] as const).map((name) =>
    vi.spyOn(Stores.prototype, name).mockImplementation(quota),
  );
  return () => {
    for (const spy of spies) spy.mockRestore();
  };
}

test("on a full disk a publication is refused and leaves nothing, and the next one is saved", async () => {
  const tab = await offline();
  const { client, clock, browser } = tab;
  await clock.waitFor(client.topic("a").publish("first"));
  const empty = full();
  const refused = expect(clock.waitFor(client.topic("a").publish("refused")));
  await refused.rejects.toMatchObject({ code: "storage_full" });
  empty();
  expect((await clock.waitFor(client.outbox.rows())).map(({ data }) => data)).toEqual(["first"]);
  const receipt = await clock.waitFor(client.topic("a").publish("second"));
  expect(receipt.durable).toBe(true);
  // After a full disk the client pauses.
  await clock.advance(60_000);
  browser.line.restore();
  client.reconnect();
  await clock.waitFor(client.outbox.flush());
  expect(tab.hub.entries("a").map(({ data }) => data)).toEqual(["first", "second"]);
});

test("if storage does not open, rows are in memory, are not durable, and are sent", async () => {
  const open = vi.spyOn(IDBFactory.prototype, "open").mockImplementation(() => {
    throw new DOMException("no", "SecurityError");
  });
  const tab = await offline();
  const { client, clock, browser } = tab;
  const receipt = await clock.waitFor(client.topic("a").publish(1));
  expect(receipt.durable).toBe(false);
  expect(open).toHaveBeenCalled();
  browser.line.restore();
  client.reconnect();
  expect(await clock.waitFor(receipt.acked)).toMatchObject({ seq: 1 });
  await clock.waitFor(client.outbox.wipe());
});

test("discarding a row in memory does not discard the stored row with its number", async () => {
  const open = vi.spyOn(IDBFactory.prototype, "open").mockImplementation(() => {
    throw new DOMException("busy", "UnknownError");
  });
  const tab = await offline();
  const { client, clock, browser } = tab;
  const memory = await clock.waitFor(client.topic("a").publish("memory"));
  const given = expect(memory.acked).rejects.toMatchObject({ code: "discarded" });
  open.mockRestore();
  await clock.advance(300_000);
  const stored = await clock.waitFor(client.topic("a").publish("stored"));
  expect([memory.durable, stored.durable]).toEqual([false, true]);
  expect(memory.id.split(":")[1]).toBe(stored.id.split(":")[1]);
  await clock.waitFor(client.outbox.discard(memory.id));
  await given;
  browser.line.restore();
  client.reconnect();
  expect(await clock.waitFor(stored.acked)).toMatchObject({ duplicate: false });
});

test("wipe reports storage that can't be read any more, and the client continues", async () => {
  const tab = await offline();
  const { client, clock, browser, hub, errors } = tab;
  const receipt = await clock.waitFor(client.topic("a").publish("kept"));
  const broken = vi.spyOn(Databases.prototype, "transaction").mockImplementation(() => {
    throw new DOMException("lost", "UnknownError");
  });
  const closed = vi.spyOn(IDBFactory.prototype, "open").mockImplementation(() => {
    throw new DOMException("lost", "UnknownError");
  });
  const refused = expect(clock.waitFor(client.outbox.wipe()));
  await refused.rejects.toMatchObject({ code: "storage_unavailable" });
  broken.mockRestore();
  closed.mockRestore();
  browser.line.restore();
  client.reconnect();
  await clock.until(() => client.status.state === "connected");
  receipt.acked.catch(() => {});
  const next = await clock.waitFor(client.topic("b").publish("next"));
  expect(await clock.waitFor(next.acked)).toMatchObject({ seq: 1 });
  expect(hub.entries("b")).toHaveLength(1);
  expect(errors).toEqual([]);
});

test("an app's database with the outbox's name stays untouched, and is reported", async () => {
  const made = await trial();
  const request = indexedDB.open("longhaul", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("mine");
  await made.clock.until(() => request.readyState === "done");
  request.result.close();
  const errors: LonghaulError[] = [];
  const client = made.connect({ outbox: {}, onError: (error) => errors.push(error) });
  const receipt = await made.clock.waitFor(client.topic("a").publish(1));
  expect(receipt.durable).toBe(false);
  await made.clock.waitFor(receipt.acked);
  expect(errors.map(({ code }) => code)).toEqual(["outbox_name_taken"]);
});

test("an unreadable message of another tab crashes nothing", async () => {
  const tab = await offline();
  const { client, clock, errors } = tab;
  await clock.waitFor(client.topic("a").publish(1));
  const channel = new BroadcastChannel("longhaul:outbox:longhaul https://hub.test/ ");
  for (const data of [null, "x", [null], [["acked", "p", "e"]], [["added", 5, 5]], [["renamed", "p"]]]) {
    channel.postMessage(data);
  }
  await clock.advance(1_000);
  channel.close();
  expect(errors).toEqual([]);
  expect(client.metrics().crashes).toBe(0);
  expect(client.outbox.size).toBe(1);
});
