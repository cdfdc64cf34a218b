// The client of an app, with the real wasm and a hub in this process.

import { expect, test, vi } from "vitest";
import { trial } from "../testing/trial.js";
import type { LonghaulError, Status } from "./api.js";

/** The system's timer, which no virtual clock stops. */
const realImmediate = setImmediate;

test("calls from before the wasm is loaded run in order", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  const heard: unknown[] = [];
  client.topic("a").subscribe(({ seq, data }) => heard.push([seq, data]), { from: "start" });
  for (const n of [1, 2, 3]) void client.topic("a").publish(n);
  await clock.until(() => heard.length === 3);
  expect(heard).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
});

test("the status is the same object until something changes, and its listeners get each change", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  const states: Status["state"][] = [];
  client.on("status", ({ state }) => states.push(state));
  const first = client.status;
  expect(client.status).toBe(first);
  await clock.until(() => client.status.state === "connected");
  const connected = client.status;
  expect(client.status).toBe(connected);
  await client.close();
  expect(states[0]).toBe("connected");
  expect(states.at(-1)).toBe("closed");
});

test("a listener that throws is reported with its code, and the others are called", async () => {
  const { clock, connect } = await trial();
  const onError = vi.fn<(error: LonghaulError) => void>();
  const client = connect({ onError });
  const heard = vi.fn();
  client.on("status", () => {
    throw new Error("mine");
  });
  client.on("status", heard);
  await clock.until(() => client.status.state === "connected");
  expect(heard).toHaveBeenCalled();
  expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: "listener_threw" });
});

test("an unknown event is refused, and so is an invalid topic", async () => {
  const { connect } = await trial();
  const client = connect();
  expect(() => client.on("nonsense" as never, () => {})).toThrow(
    expect.objectContaining({ code: "event_unknown" }),
  );
  expect(() => client.topic("no spaces")).toThrow(expect.objectContaining({ code: "topic_invalid" }));
  expect(client.document("d")).toBe(client.document("d"));
});

const thrower = {
  toString(): string {
    throw new Error("mine");
  },
};

test.for<[string, unknown]>([
  ["undefined", undefined],
  ["a number", 7],
  ["an object", {}],
  ["a symbol", Symbol("s")],
  ["an object without a prototype", Object.create(null)],
  ["what has no text", thrower],
  ["an EventTarget", new EventTarget()],
])("an invalid event, listener, pointer, id or signal is refused with a code: %s", async ([, value]) => {
  const { clock, connect } = await trial();
  const client = connect({ outbox: false });
  await clock.until(() => client.status.state === "connected");
  const wrong = value as never;
  const topic = client.topic("t");
  const document = client.document("d");
  const coded = (code: string) => expect.objectContaining({ name: "LonghaulError", code });
  expect(() => client.on(wrong, () => {})).toThrow(coded("event_unknown"));
  expect(() => client.on("status", wrong)).toThrow(coded("option_invalid"));
  expect(() => topic.subscribe(wrong)).toThrow(coded("option_invalid"));
  expect(() => document.onChange(wrong)).toThrow(coded("option_invalid"));
  await expect(client.outbox.retry(wrong)).rejects.toEqual(coded("row_unknown"));
  await expect(client.outbox.discard(wrong)).rejects.toEqual(coded("row_unknown"));
  if (value === undefined) return;
  expect(() => document.subscribe(() => {}, { at: wrong })).toThrow(coded("option_invalid"));
  expect(() => topic.subscribe(() => {}, { signal: wrong })).toThrow(coded("option_invalid"));
  await expect(topic.publish(1, { signal: wrong })).rejects.toEqual(coded("option_invalid"));
});

test("the name of a property of every object is no event", async () => {
  const { connect } = await trial();
  expect(() => connect().on("toString" as never, () => {})).toThrow(
    expect.objectContaining({ code: "event_unknown" }),
  );
});

test("a topic is the same object for the same name, and what apps pass around needs no this", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  expect(client.topic("a")).toBe(client.topic("a"));
  const { on, reconnect, close } = client;
  const states: Status["state"][] = [];
  on("status", ({ state }) => states.push(state));
  reconnect();
  await clock.until(() => client.status.state === "connected");
  await close();
  expect(states.at(-1)).toBe("closed");
});

test("after close nothing is delivered, publish rejects, subscribe reports to onError, and a second close does nothing", async () => {
  const { clock, connect, hub } = await trial();
  const onError = vi.fn<(error: LonghaulError) => void>();
  const client = connect({ onError });
  const heard = vi.fn();
  client.topic("a").subscribe(heard);
  await clock.until(() => client.status.state === "connected");
  await client.close();
  await client.close();
  await expect(client.topic("a").publish(1)).rejects.toMatchObject({ code: "closed" });
  const stops = [
    client.topic("a").subscribe(heard),
    client.document("followed").subscribe(heard),
    client.document("followed").onChange(heard),
  ];
  for (const stop of stops) stop();
  expect(onError.mock.calls.map(([{ code }]) => code)).toEqual(["closed", "closed", "closed"]);
  const closed = expect.objectContaining({ code: "closed" });
  expect(() => client.topic("a").messages()[Symbol.asyncIterator]()).toThrow(closed);
  await clock.advance(1_000);
  expect(heard).not.toHaveBeenCalled();
  expect(hub.connections).toBe(0);
});

test("calls from before the wasm is loaded reject when the client closes", async () => {
  const { connect } = await trial();
  const client = connect();
  const published = client.topic("a").publish(1);
  await client.close();
  await expect(published).rejects.toMatchObject({ code: "closed" });
});

test("listeners of one topic share a stream, each stops for itself", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  const topic = client.topic<number>("a");
  const first: number[] = [];
  const second: number[] = [];
  const stop = topic.subscribe(({ data }) => first.push(data));
  topic.subscribe(({ data }) => second.push(data));
  await clock.until(() => client.status.state === "connected");
  await topic.publish(1);
  await clock.until(() => second.length === 1);
  stop();
  await topic.publish(2);
  await clock.until(() => second.length === 2);
  expect(first).toEqual([1]);
});

test("an abort signal stops a subscription", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  const heard: unknown[] = [];
  const aborting = new AbortController();
  client.topic("a").subscribe(({ data }) => heard.push(data), { signal: aborting.signal });
  await clock.until(() => client.status.state === "connected");
  await client.topic("a").publish(1);
  await clock.until(() => heard.length === 1);
  aborting.abort();
  await client.topic("a").publish(2);
  await clock.advance(1_000);
  expect(heard).toEqual([1]);
});

test("metrics start at 0 and count the client's actions", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  expect(client.metrics().connects).toBe(0);
  const receipt = await new Promise<{ acked: Promise<unknown> }>((resolve) => {
    void client.topic("a").publish(1).then(resolve);
    void clock.until(() => client.status.state === "connected");
  });
  await clock.advance(1_000);
  await receipt.acked;
  expect(client.metrics()).toMatchObject({ connects: 1, publications: 1, acks: 1 });
});

test("f04 a closed client's document can be read as it was, and has no core any more", async () => {
  const { connect, clock, browser } = await trial();
  const client = connect();
  const document = client.document<{ list: string[]; "a/b"?: number }>("d");
  const heard: unknown[] = [];
  document.subscribe((value) => heard.push(value));
  await clock.until(() => heard.length === 1);
  const receipt = await clock.waitFor(document.merge({ list: ["x"] }));
  await clock.waitFor(receipt.acked);
  browser.line.disconnect();
  const waiting = await clock.waitFor(document.merge({ "a/b": 1 }));
  const ended = expect(waiting.acked).rejects.toMatchObject({ code: "closed" });
  await client.close();
  await ended;
  const { value, confirmed, pending, seq, state } = document;
  expect({ value, confirmed, pending, seq }).toEqual({
    value: { list: ["x"] },
    confirmed: { list: ["x"] },
    pending: 0,
    seq: 1,
  });
  expect(document.state).toBe(state);
  expect(document.at("/list/0")).toBe("x");
  for (const nowhere of ["/list/length", "/list/1", "/list/0/0", "/a~1b", "/toString"])
    expect(document.at(nowhere)).toBeUndefined();
  expect(document.at("")).toBe(value);
});

test("a publication from before the wasm is loaded has the id that rows() shows", async () => {
  const { connect, clock } = await trial();
  const client = connect();
  const publishing = client.topic("t").publish(1);
  const listing = client.outbox.rows();
  const { id } = await clock.waitFor(publishing);
  expect(id).toMatch(/^[\w-]{22}:1$/);
  expect((await listing).map((row) => row.id)).toEqual([id]);
});

test("f04 closing while a followed document loads causes no unhandled rejection", async () => {
  const { connect } = await trial();
  const unheard: unknown[] = [];
  const hear = (cause: unknown): number => unheard.push(cause);
  process.on("unhandledRejection", hear);
  try {
    const client = connect({ documentsWasm: "https://hub.test/never.wasm" });
    const errors: unknown[] = [];
    client.document("d").subscribe((value) => errors.push(value));
    await client.close();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => realImmediate(resolve));
    expect(errors).toEqual([]);
    expect(unheard).toEqual([]);
  } finally {
    process.off("unhandledRejection", hear);
  }
});

test("an iteration gets messages in order, and ends with its client", async () => {
  const { clock, connect } = await trial();
  const client = connect();
  const heard: unknown[] = [];
  let isOver = false;
  const iterate = async (): Promise<void> => {
    for await (const { data } of client.topic("a").messages({ from: "start" })) heard.push(data);
    isOver = true;
  };
  void iterate();
  for (const n of [1, 2]) void client.topic("a").publish(n);
  await clock.until(() => heard.length === 2);
  expect(heard).toEqual([1, 2]);
  await client[Symbol.asyncDispose]();
  await clock.settle();
  expect(isOver).toBe(true);
});

test("a closed client says that it was closed, and how to go on", async () => {
  const { connect, clock } = await trial();
  const client = connect();
  await clock.until(() => client.status.state === "connected");
  const states: string[] = [];
  client.on("status", ({ state }) => states.push(state));
  await client.close();
  await clock.advance(1_000);
  expect(states).toEqual(["closed"]);
  expect(client.status).toMatchObject({ state: "closed", reason: { message: "the client was closed" } });
  await expect(client.topic("a").publish(1)).rejects.toMatchObject({
    hint: "make a new client with connect()",
  });
});

test("a patch of a document without a value has a hint", async () => {
  const { connect, clock } = await trial();
  const document = connect().document("d");
  document.subscribe(() => {});
  await clock.until(() => document.value === null);
  const patched = document.patch([{ op: "add", path: "/a", value: 1 }]);
  await expect(clock.waitFor(patched)).rejects.toMatchObject({
    code: "patch_failed",
    hint: "the document has no value yet: begin with merge",
  });
});

test("the 16,385th subscription is refused with a code, and the others go on", async () => {
  const { connect, clock, hub } = await trial();
  const errors: unknown[] = [];
  const client = connect({ onError: ({ code }) => errors.push(code) });
  const heard: unknown[] = [];
  const stops = Array.from({ length: 16_384 }, (_, n) =>
    client.topic(`t/${n}`).subscribe(({ data }) => heard.push(data)),
  );
  client.topic("one/more").subscribe(() => {});
  client.document("more").subscribe(() => {});
  expect(errors).toEqual(["too_many_subscriptions", "too_many_subscriptions"]);
  expect(() => client.topic("one/more").messages()).not.toThrow();
  await clock.until(() => client.status.state === "connected");
  await clock.advance(1_000);
  await clock.waitFor(client.topic("t/0").publish(1));
  await clock.until(() => heard.length === 1);
  stops[0]?.();
  await clock.advance(1);
  client.topic("one/more").subscribe(() => {});
  expect(errors).toHaveLength(2);
  expect(hub).toBeDefined();
}, 30_000);
