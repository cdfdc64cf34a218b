// The pending changes of a document, also without listeners: a hub in this process, with rows in
// memory and in IndexedDB.

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import { type Trial, trial } from "../testing/trial.js";
import type { Client, Document, Options } from "./api.js";

interface Value {
  [key: string]: number;
}

interface Place extends Trial {
  client: Client;
  document: Document<Value>;
}

beforeEach(() => {
  vi.stubGlobal("indexedDB", new IDBFactory());
});

const outboxes: readonly (readonly [where: string, outbox: Options["outbox"]])[] = [
  ["in memory", false],
  ["in storage", {}],
];

/** A tab that follows a document with the value {a:1}, and a function that stops it. */
async function following(outbox: Options["outbox"]): Promise<Place & { stop: () => void }> {
  const made = await trial();
  const client = made.connect({ outbox: outbox ?? {} });
  const document = client.document<Value>("d");
  const place = { ...made, client, document };
  const stop = document.onChange(() => {});
  await acked(place, await place.clock.waitFor(document.merge({ a: 1 })));
  await place.clock.until(() => document.pending === 0 && document.confirmed?.["a"] === 1);
  return { ...place, stop };
}

/** Waits for the ack, and for the events after it. */
async function acked({ clock }: Trial, receipt: { acked: Promise<unknown> }): Promise<void> {
  await clock.waitFor(receipt.acked);
  await clock.advance(100);
}

/** Stops the listener, and waits for the end of the task. */
async function left({ stop, clock }: Trial & { stop: () => void }): Promise<void> {
  stop();
  await clock.advance(100);
}

async function offline({ browser, clock, client }: Place): Promise<void> {
  browser.line.disconnect();
  await clock.until(() => client.status.state !== "connected");
}

async function online({ browser, clock, client }: Place): Promise<void> {
  browser.line.restore();
  client.reconnect();
  await clock.until(() => client.status.state === "connected");
}

/** Waits for deferred events. */
const told = ({ clock }: Trial): Promise<void> => clock.advance(1);

for (const [where, outbox] of outboxes) {
  test(`a change without listeners is shown to a listener that starts offline: ${where}`, async () => {
    const place = await following(outbox);
    const { clock, client, document } = place;
    await left(place);
    await offline(place);
    await clock.waitFor(document.merge({ b: 2 }));
    expect(client.outbox.size).toBe(1);
    expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, pending: 1 });
    const values: unknown[] = [];
    document.subscribe((value) => values.push(value));
    expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, confirmed: { a: 1 }, pending: 1 });
    await told(place);
    expect(values).toEqual([{ a: 1, b: 2 }]);
    await online(place);
    await clock.until(() => document.confirmed?.["b"] === 2);
    expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, pending: 0 });
    expect(values).toEqual([{ a: 1, b: 2 }]);
  });

  test(`a change and a listener in the same turn: ${where}`, async () => {
    const place = await following(outbox);
    const { clock, document } = place;
    await left(place);
    await offline(place);
    void document.merge({ b: 2 });
    const values: unknown[] = [];
    document.subscribe((value) => values.push(value));
    await clock.until(() => document.pending > 0);
    await told(place);
    expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, pending: 1 });
    expect(values.at(-1)).toEqual({ a: 1, b: 2 });
  });

  test(`a change that is acked without listeners is not pending, and stays in the value: ${where}`, async () => {
    const place = await following(outbox);
    const { clock, client, document } = place;
    await offline(place);
    const receipt = await clock.waitFor(document.merge({ b: 2 }));
    await left(place);
    await online(place);
    await acked(place, receipt);
    expect(document.pending).toBe(0);
    await offline(place);
    const values: unknown[] = [];
    document.subscribe((value) => values.push(value));
    await clock.advance(1_000);
    expect(client.outbox.size).toBe(0);
    expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, confirmed: { a: 1 }, pending: 0 });
    await online(place);
    await clock.until(() => document.confirmed?.["b"] === 2);
    expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, pending: 0 });
    expect(values).toEqual([{ a: 1, b: 2 }]);
  });

  test(`a wipe removes own changes from value and pending, with and without listeners: ${where}`, async () => {
    const place = await following(outbox);
    const { clock, client, document } = place;
    await offline(place);
    await clock.waitFor(document.merge({ b: 2 }));
    await left(place);
    await clock.waitFor(document.merge({ c: 3 }));
    expect(document.state).toMatchObject({ value: { a: 1, b: 2, c: 3 }, pending: 2 });
    await clock.waitFor(client.outbox.wipe());
    expect(document.state).toMatchObject({ value: { a: 1 }, pending: 0 });
    document.onChange(() => {});
    await clock.advance(1_000);
    expect(document.state).toMatchObject({ value: { a: 1 }, pending: 0 });
  });

  for (const isFollowed of [true, false]) {
    test(`a change that is discarded offline disappears at once, ${isFollowed ? "followed" : "left"}: ${where}`, async () => {
      const place = await following(outbox);
      const { clock, client, document } = place;
      await offline(place);
      const seen: unknown[] = [];
      const stop = document.onChange(() => seen.push([document.value, document.pending]));
      const { id } = await clock.waitFor(document.merge({ b: 2 }));
      await clock.waitFor(document.merge({ c: 3 }));
      if (!isFollowed) {
        stop();
        await left(place);
      }
      await clock.waitFor(client.outbox.discard(id));
      await told(place);
      expect(document.state).toMatchObject({ value: { a: 1, c: 3 }, pending: 1 });
      if (isFollowed) expect(seen.at(-1)).toEqual([{ a: 1, c: 3 }, 1]);
      document.onChange(() => {});
      await clock.advance(1_000);
      expect(document.state).toMatchObject({ value: { a: 1, c: 3 }, pending: 1 });
      await online(place);
      await clock.until(() => document.pending === 0 && document.confirmed?.["c"] === 3);
      expect(document.value).toEqual({ a: 1, c: 3 });
    });
  }

  test(`own changes of a document without listeners are pending: ${where}`, async () => {
    const place = await following(outbox);
    const { clock, client } = place;
    const other = client.document<Value>("other");
    await offline(place);
    const receipt = await clock.waitFor(other.merge({ b: 2 }));
    expect(other.state).toMatchObject({ value: undefined, pending: 1 });
    const second = await clock.waitFor(other.merge({ c: 3 }));
    expect(other.pending).toBe(2);
    await clock.waitFor(client.outbox.discard(second.id));
    expect(other.pending).toBe(1);
    await online(place);
    await acked(place, receipt);
    expect(other.state).toMatchObject({ value: undefined, pending: 0 });
  });
}

test("a discarded change that the hub already has comes back as confirmed", async () => {
  const place = await following({});
  const { clock, client, document, browser, hub } = place;
  // The ack is lost.
  browser.line.latencyMs = 1_000;
  const { id } = await clock.waitFor(document.merge({ b: 2 }));
  await clock.until(() => JSON.stringify(hub.document("d")) === '{"a":1,"b":2}');
  await offline(place);
  browser.line.latencyMs = 40;
  expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, pending: 1 });
  await clock.waitFor(client.outbox.discard(id));
  expect(document.state).toMatchObject({ value: { a: 1 }, pending: 0 });
  await online(place);
  await clock.until(() => document.confirmed?.["b"] === 2);
  await clock.until(() => client.outbox.size === 0);
  expect(document.state).toMatchObject({ value: { a: 1, b: 2 }, pending: 0 });
});

test("a change that one tab discards disappears in the tab that shows it", async () => {
  const place = await following({});
  const { clock, client, document } = place;
  await offline(place);
  const { id } = await clock.waitFor(document.merge({ b: 2 }));
  // Storage has the confirmed value.
  await clock.advance(100);
  const other = place.connect({ outbox: {} });
  const twin = other.document<Value>("d");
  twin.onChange(() => {});
  await clock.until(() => twin.value?.["b"] === 2);
  await clock.waitFor(other.outbox.discard(id));
  await clock.until(() => document.pending === 0);
  expect(twin.state).toMatchObject({ value: { a: 1 }, pending: 0 });
  expect(document.state).toMatchObject({ value: { a: 1 }, pending: 0 });
  expect(client.outbox.size).toBe(other.outbox.size);
});

test("changes of an earlier visit are pending before the first listener, and discarded ones are not", async () => {
  const place = await following({});
  const { clock, client, document } = place;
  await offline(place);
  const { id } = await clock.waitFor(document.merge({ b: 2 }));
  await clock.waitFor(document.merge({ c: 3 }));
  await clock.advance(1_000);
  await clock.waitFor(client.outbox.discard(id));
  await clock.advance(1_000);
  await client.close();
  const later = place.connect({ outbox: {} }).document<Value>("d");
  await clock.until(() => later.pending > 0);
  expect(later.state).toMatchObject({ value: undefined, pending: 1 });
  later.onChange(() => {});
  await clock.until(() => later.value !== undefined);
  expect(later.state).toMatchObject({ value: { a: 1, c: 3 }, confirmed: { a: 1 }, pending: 1 });
});

test("a document without listeners does not keep all its acked changes", async () => {
  const place = await following(false);
  const { clock, document } = place;
  await left(place);
  for (let n = 0; n < 300; n++) await clock.waitFor(document.merge({ b: n }));
  await clock.until(() => document.pending === 0);
  expect(document.value).toBeUndefined();
  document.onChange(() => {});
  await clock.until(() => document.value !== undefined);
  expect(document.state).toMatchObject({ value: { a: 1, b: 299 }, confirmed: { a: 1, b: 299 }, pending: 0 });
});

test("the epoch shows that a document began again", async () => {
  const place = await following(false);
  const { clock, document, hub } = place;
  const { epoch } = document.state;
  expect(epoch).toMatch(/^[0-9a-f]{16}$/);
  hub.restart();
  await clock.until(() => document.value === null);
  expect(document.state.epoch).not.toBe(epoch);
  expect(document.state.epoch).toMatch(/^[0-9a-f]{16}$/);
});
