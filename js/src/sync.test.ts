import { beforeEach, expect, test, vi } from "vitest";

let { BackgroundSync, confirmDatabase, isFlushRequest } = await import("./sync.js");

// A page has one service worker, and waits for it once.
beforeEach(async () => {
  vi.resetModules();
  ({ BackgroundSync, confirmDatabase, isFlushRequest } = await import("./sync.js"));
});

type Handler = (event: MessageEvent) => void;

/** A page with an active service worker; with `sync`, if the browser has Background Sync. */
function pageWith(handler: Handler, sync?: { register(tag: string): Promise<void> }): unknown[] {
  const sent: unknown[] = [];
  const active = {
    postMessage(data: unknown, ports: MessagePort[] = []) {
      sent.push(data);
      handler({ data, ports } as unknown as MessageEvent);
    },
  };
  vi.stubGlobal("navigator", { serviceWorker: { ready: Promise.resolve({ active, sync }) } });
  return sent;
}

const granted = { register: () => Promise.resolve() };

test("f16: the service worker is named once it has confirmed that it flushes this database", async () => {
  pageWith((event) => confirmDatabase(event, "mine"), granted);
  const sync = new BackgroundSync("mine");
  expect(sync.deferred).toBe("next-visit");
  await expect.poll(() => sync.deferred).toBe("background-sync");
});

test.for([
  ["without an outbox", () => {}],
  ["with another database", (event: MessageEvent) => confirmDatabase(event, "another")],
] as const)("f16: a worker %s is not named", async ([, handler]) => {
  let isAsked = (): void => {};
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  pageWith((event) => {
    handler(event);
    isAsked();
  }, granted);
  const sync = new BackgroundSync("mine");
  await asked;
  // An answer would come as a message of a port, in a later task.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(sync.deferred).toBe("next-visit");
});

test("f16: without Background Sync the next visit is named, and the worker is asked by a message", async () => {
  const sent = pageWith((event) => confirmDatabase(event, "mine"));
  const sync = new BackgroundSync("mine");
  await expect.poll(() => sent.length).toBe(1);
  sync.ask();
  sync.ask();
  expect(sent.slice(1).map(isFlushRequest)).toEqual([true]);
  expect(sync.deferred).toBe("next-visit");
  sync.settled();
  sync.ask();
  expect(sent.slice(2).map(isFlushRequest)).toEqual([true]);
});

test("f16: an outbox in memory asks no worker", async () => {
  const sent = pageWith(() => {}, granted);
  const sync = new BackgroundSync(undefined);
  await Promise.resolve();
  sync.settled();
  expect([sent, sync.deferred]).toEqual([[], "next-visit"]);
});
