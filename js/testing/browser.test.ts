import { expect, test } from "vitest";
import { trial } from "./trial.js";

test("only requests to the hub's address reach it, until it is closed", async () => {
  class Theirs {
    static readonly OPEN = 1;
    constructor(readonly url: string) {}
  }
  const theirFetch = async (): Promise<Response> => new Response("theirs");
  const scope = { WebSocket: Theirs, fetch: theirFetch } as unknown as typeof globalThis;
  const { clock, hub, browser } = await trial();
  const undo = browser.install(scope);
  expect(new scope.WebSocket("wss://elsewhere.test/")).toBeInstanceOf(Theirs);
  expect(new scope.WebSocket("wss://elsewhere.test/")).toBeInstanceOf(scope.WebSocket);
  // The same host with another scheme is another server.
  expect(new scope.WebSocket("ws://hub.test/")).toBeInstanceOf(Theirs);
  const ours = new scope.WebSocket("wss://hub.test/v1/connect", "longhaul.v1");
  expect(ours).not.toBeInstanceOf(Theirs);
  expect(ours).toBeInstanceOf(scope.WebSocket);
  expect(scope.WebSocket.OPEN).toBe(1);
  await clock.until(() => hub.metrics.sockets === 1);
  expect(await (await scope.fetch("https://elsewhere.test/")).text()).toBe("theirs");
  expect((await clock.waitFor(scope.fetch("https://hub.test/healthz"))).status).toBe(200);
  undo();
  expect([scope.WebSocket, scope.fetch, "EventSource" in scope]).toEqual([Theirs, theirFetch, false]);
});

test("close restores the globals of several devices", async () => {
  const before = globalThis.WebSocket;
  const { hub } = await trial();
  const first = globalThis.WebSocket;
  hub.browser({ url: "https://other.test" }).install();
  expect(globalThis.WebSocket).not.toBe(first);
  hub.close();
  expect(globalThis.WebSocket).toBe(before);
});
