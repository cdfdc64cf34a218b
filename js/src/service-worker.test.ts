// A service worker without open pages: its events, with the real wasm, IndexedDB and a hub in this
// process.

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";
import { type Trial, trial, wasm } from "../testing/trial.js";
import type { Options, Receipt } from "./api.js";

const tag = "longhaul-outbox";

beforeEach(() => {
  vi.stubGlobal("indexedDB", new IDBFactory());
});

/** The state of an event of the worker. */
interface Outcome {
  /** The promise that it waits for, if any. */
  readonly waits: Promise<unknown> | undefined;
  /** The code of its error, or that it is done; undefined while it waits. */
  state: string | undefined;
}

interface Worker {
  sync(event?: { tag?: string; lastChance?: boolean }): Outcome;
  message(data: unknown, ports?: unknown[]): Outcome;
  /** Tags that it has registered. */
  readonly registered: string[];
}

/** A worker that has just been started. Its page's module is another instance. */
async function worker(install: { name?: string; wasm?: Options["wasm"] } = {}): Promise<Worker> {
  vi.resetModules();
  const listeners = new Map<string, (event: unknown) => void>();
  const registered: string[] = [];
  const register = async (tag: string): Promise<void> => void registered.push(tag);
  vi.stubGlobal("addEventListener", (type: string, listener: (event: unknown) => void) =>
    listeners.set(type, listener),
  );
  vi.stubGlobal("registration", { sync: { register } });
  const { installOutbox } = await import("./service-worker.js");
  installOutbox({ wasm, ...install });
  // Browsers ignore listeners that it adds later.
  const [sync, message] = [listeners.get("sync"), listeners.get("message")];
  const dispatch = (listener: ((event: unknown) => void) | undefined, event: object): Outcome => {
    let waits: Promise<unknown> | undefined;
    listener?.({ ...event, waitUntil: (promise: Promise<unknown>) => (waits = promise) });
    const outcome: Outcome = { waits, state: undefined };
    waits?.then(
      () => (outcome.state = "done"),
      (error) => (outcome.state = error.code ?? String(error)),
    );
    return outcome;
  };
  return {
    registered,
    sync: (event) => dispatch(sync, { tag, lastChance: false, ...event }),
    message: (data, ports = []) => dispatch(message, { data, ports }),
  };
}

/** How an event ends. */
async function end({ clock }: Trial, outcome: Outcome): Promise<string | undefined> {
  await clock.until(() => outcome.state !== undefined);
  return outcome.state;
}

/** An offline page publishes these, and closes. */
async function left(
  { browser, clock, connect }: Trial,
  data: readonly unknown[],
  { url, ...options }: Options & { url?: string } = {},
): Promise<Receipt[]> {
  browser.line.disconnect();
  const page = connect({ outbox: {}, ...options }, url);
  const receipts: Receipt[] = [];
  for (const each of data) {
    const receipt = await clock.waitFor(page.topic("a").publish(each));
    receipt.acked.catch(() => {});
    receipts.push(receipt);
  }
  await page.close();
  await clock.settle();
  browser.line.restore();
  return receipts;
}

const sent = ({ hub }: Trial, topic = "a"): unknown[] => hub.entries(topic).map(({ data }) => data);

test("rows that a closed page has left go out in order, under their ids, and the event is done", async () => {
  const made = await trial();
  const receipts = await left(made, [1, 2, 3]);
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("done");
  expect(sent(made)).toEqual([1, 2, 3]);
  expect(made.hub.entries("a").map(({ id }) => id)).toEqual(receipts.map(({ id }) => id));
  const visit = made.connect({ outbox: {} });
  expect(await made.clock.waitFor(visit.outbox.rows())).toEqual([]);
});

test("the worker polls, and once it is done it closes its database, so that a page can delete it", async () => {
  const made = await trial();
  await left(made, [1]);
  const { sync } = await worker();
  await end(made, sync());
  await made.clock.settle();
  const { hub, clock } = made;
  expect(hub.metrics).toMatchObject({ sockets: 0, streams: 0 });
  await clock.advance(1_000);
  expect(hub.connections).toBe(0);
  const { requests } = hub.metrics;
  await clock.advance(600_000);
  expect(hub.metrics.requests).toBe(requests);
  expect(await clock.waitFor(removed("longhaul"))).toBe("removed");
});

function removed(name: string): Promise<string> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve("removed");
    request.onblocked = () => resolve("blocked");
  });
}

test("an empty outbox asks the hub for nothing", async () => {
  const made = await trial();
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("done");
  await left(made, [1]);
  expect(await end(made, sync())).toBe("done");
  const { requests } = made.hub.metrics;
  expect(await end(made, sync())).toBe("done");
  expect(made.hub.metrics.requests).toBe(requests);
});

test("while the hub is out of reach the event fails, so that the browser tries again, and rows stay", async () => {
  const made = await trial();
  await left(made, [1, 2]);
  made.hub.stop();
  const { sync, registered } = await worker();
  expect(await end(made, sync())).toBe("not_flushed");
  expect(registered).toEqual([]);
  made.hub.start({ keepLog: true });
  expect(await end(made, sync())).toBe("done");
  expect(sent(made)).toEqual([1, 2]);
});

test("s26: a flush that fails at its last chance registers again, and still rejects", async () => {
  const made = await trial();
  await left(made, [1]);
  const { sync, registered } = await worker();
  made.hub.stop();
  expect(await end(made, sync({ lastChance: true }))).toBe("not_flushed");
  expect(registered).toEqual([tag]);
  made.hub.start({ keepLog: true });
  expect(await end(made, sync({ lastChance: true }))).toBe("done");
  expect(registered).toHaveLength(1);
});

test("events of other tags, and messages of others, are the app's own", async () => {
  const made = await trial();
  await left(made, [1]);
  const { sync, message } = await worker();
  expect(sync({ tag: "mine" }).waits).toBeUndefined();
  for (const data of ["flush", null, undefined, { type: tag }, [tag]]) {
    expect(message(data).waits).toBeUndefined();
  }
  await made.clock.advance(10_000);
  expect(sent(made)).toEqual([]);
});

test("a page's message flushes, and what fails then waits for the next occasion", async () => {
  const made = await trial();
  await left(made, [1]);
  const { message } = await worker();
  made.hub.stop();
  expect(await end(made, message("longhaul:flush"))).toBe("done");
  made.hub.start({ keepLog: true });
  expect(sent(made)).toEqual([]);
  expect(await end(made, message("longhaul:flush"))).toBe("done");
  expect(sent(made)).toEqual([1]);
});

test.for([undefined, "mine"])(
  "f16: a worker whose outbox is named %s says which it flushes",
  async (name) => {
    const { message } = await worker(name === undefined ? {} : { name });
    const answers: unknown[] = [];
    const port = { postMessage: (data: unknown) => answers.push(data) };
    for (const asked of ["longhaul", "mine"]) {
      expect(message(["longhaul:flushes", asked], [port]).waits).toBeUndefined();
    }
    expect(answers).toEqual(name === undefined ? [true, false] : [false, true]);
  },
);

test("only the outbox of its name is flushed", async () => {
  const made = await trial();
  await left(made, ["default"]);
  await left(made, ["mine"], { outbox: { name: "mine" } });
  const { sync } = await worker({ name: "mine" });
  expect(await end(made, sync())).toBe("done");
  expect(sent(made)).toEqual(["mine"]);
});

test("a call during a flush joins it", async () => {
  const made = await trial();
  await left(made, [1]);
  const { sync, message } = await worker();
  const instances = vi.spyOn(WebAssembly, "instantiate");
  const events = [sync(), sync(), message("longhaul:flush")];
  expect(await Promise.all(events.map((event) => end(made, event)))).toEqual(["done", "done", "done"]);
  // One instance finds rows, and one sends them.
  expect(instances).toHaveBeenCalledTimes(2);
  expect(sent(made)).toEqual([1]);
});

/** An open database of this version, with these stores. */
async function database(version: number, stores: readonly string[]): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("longhaul", version);
    request.onupgradeneeded = () => {
      for (const name of stores) request.result.createObjectStore(name);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

test("storage of a later version is left as it is, and the event fails", async () => {
  const made = await trial();
  await left(made, [1]);
  const later = await made.clock.waitFor(database(99, ["later"]));
  later.close();
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("storage_unavailable");
  const after = await made.clock.waitFor(database(99, []));
  expect([...after.objectStoreNames]).toContain("later");
  after.close();
});

test.for([
  ["fails to open", "open"],
  ["can't be read", "transaction"],
])("storage that %s fails the event, and the next one sends", async ([, what]) => {
  const made = await trial();
  await left(made, [1]);
  const { sync } = await worker();
  const target = what === "open" ? Object.getPrototypeOf(indexedDB) : await prototypeOfDatabases(made);
  const broken = vi.spyOn(target, what as "open").mockImplementation(() => {
    throw new DOMException("broken", "UnknownError");
  });
  expect(await end(made, sync())).toBe("storage_unavailable");
  broken.mockRestore();
  expect(await end(made, sync())).toBe("done");
  expect(sent(made)).toEqual([1]);
});

async function prototypeOfDatabases({ clock }: Trial): Promise<object> {
  const opened = await clock.waitFor(database(2, []));
  opened.close();
  return Object.getPrototypeOf(opened);
}

test("without wasm the event fails, and the next one loads it", async () => {
  const made = await trial();
  await left(made, [1]);
  const broken = await worker({ wasm: Uint8Array.of(0) });
  expect(await end(made, broken.sync())).toBe("wasm_load_failed");
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("done");
  expect(sent(made)).toEqual([1]);
});

/** A token of this user. */
const tokenOf = (sub: string): string => `h.${btoa(JSON.stringify({ sub }))}.s`;

/** The app's endpoint returns these tokens in turn. Other requests go to the hub. */
function endpoint(answers: (() => Response)[]): { url: string; asked: unknown[] } {
  const url = "https://app.test/token";
  const asked: unknown[] = [];
  const theirs = globalThis.fetch;
  vi.stubGlobal("fetch", async (input: string | URL | Request, init?: RequestInit) => {
    if (String(input) !== url) return theirs(input, init);
    asked.push(init?.method);
    return answers.shift()?.() ?? new Response("", { status: 500 });
  });
  return { url, asked };
}

test("partitions wait for themselves alone: one that can't be sent fails the event, others go out", async () => {
  const made = await trial();
  // No server answers at its hub's address.
  await left(made, ["lost"], { url: "https://nowhere.test" });
  await left(made, ["kept"]);
  const theirs = globalThis.fetch;
  vi.stubGlobal("fetch", async (input: string | URL, init?: RequestInit) => {
    if (String(input).includes("nowhere")) throw new TypeError("Failed to fetch");
    return theirs(input, init);
  });
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("not_flushed");
  expect(sent(made)).toEqual(["kept"]);
});

test("no page is open: one token of the app's endpoint is for all partitions, each as its own user", async () => {
  const made = await trial();
  const { url, asked } = endpoint([() => new Response(tokenOf("u"))]);
  const outbox = { tokenUrl: url };
  const heard: (string | undefined)[] = [];
  made.hub.accepts = (token) => heard.push(token) > 0;
  await left(made, [1], { outbox, subject: "u", token: () => tokenOf("u") });
  await left(made, [2], { outbox, subject: "v", token: () => tokenOf("v") });
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("not_flushed");
  expect(asked).toEqual(["POST"]);
  expect(sent(made)).toEqual([1]);
  expect(new Set(heard.filter((token) => token !== undefined))).toEqual(new Set([tokenOf("u")]));
});

test("a token that the hub has refused is asked for once more", async () => {
  const made = await trial();
  const { url, asked } = endpoint([() => new Response(tokenOf("u")), () => new Response(`${tokenOf("u")}2`)]);
  made.hub.accepts = (token) => token === `${tokenOf("u")}2`;
  await left(made, [1], { outbox: { tokenUrl: url }, subject: "u", token: () => tokenOf("u") });
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("done");
  expect(asked).toHaveLength(2);
  expect(sent(made)).toEqual([1]);
});

test("an open page lends its token, and then the endpoint is not asked", async () => {
  const made = await trial();
  const { url, asked } = endpoint([]);
  await left(made, [1], { outbox: { tokenUrl: url }, subject: "u", token: () => tokenOf("u") });
  const channel = new BroadcastChannel("longhaul:outbox:longhaul https://hub.test/ u");
  channel.onmessage = ({ data }: MessageEvent<string[][]>) => {
    for (const [kind, call] of data) {
      if (kind === "tokenWanted") channel.postMessage([["token", call, tokenOf("u")]]);
    }
  };
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("done");
  channel.close();
  expect(asked).toEqual([]);
  expect(sent(made)).toEqual([1]);
});

test("without a page and an endpoint rows of a user wait for the next visit", async () => {
  const made = await trial();
  await left(made, [1], { subject: "u", token: () => tokenOf("u") });
  const { sync } = await worker();
  expect(await end(made, sync())).toBe("not_flushed");
  expect(sent(made)).toEqual([]);
});
