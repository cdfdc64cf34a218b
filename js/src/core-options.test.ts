import { beforeEach, expect, test, vi } from "vitest";
import type { Options } from "./api.js";
import { seed, toCoreOptions, wantedTransports } from "./core-options.js";
import type { CoreOptions } from "./wasm/longhaul.js";

/** The calls of a core's options. */
function callsFor(options: Options): unknown[][] {
  const calls: unknown[][] = [];
  const recording = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...args: unknown[]) =>
          calls.push([name, ...args]),
    },
  );
  toCoreOptions(recording as CoreOptions, options, "https://hub.test/");
  return calls;
}

beforeEach(() => {
  vi.stubGlobal("WebSocket", class {});
  vi.stubGlobal("EventSource", class {});
});

test("without options a core has all transports and an outbox in storage", () => {
  expect(callsFor({})).toEqual([
    ["transport", 0],
    ["transport", 1],
    ["transport", 2],
    ["outbox", 50_000, 16 * 1024 * 1024],
    ["durable", "longhaul"],
  ]);
});

test("transports that the browser lacks are skipped", () => {
  vi.stubGlobal("WebSocket", undefined);
  expect(callsFor({ outbox: false })).toEqual([
    ["transport", 1],
    ["transport", 2],
  ]);
});

test("the user's order of transports is kept", () => {
  expect(wantedTransports({ transports: ["longpoll", "websocket"] })).toEqual(["longpoll", "websocket"]);
  expect(callsFor({ transports: ["longpoll", "websocket"], outbox: false })).toEqual([
    ["transport", 2],
    ["transport", 0],
  ]);
});

test("options that are given in part are filled with their defaults", () => {
  const calls = callsFor({
    backoff: { capMs: 5_000, jitter: "none" },
    heartbeat: { timeoutMs: 500 },
    outbox: { name: "notes", deadLetterPolicy: "pause" },
    token: "t",
  });
  expect(calls).toContainEqual(["backoff", 1_000, 2, 5_000, 2, 20]);
  expect(calls).toContainEqual(["heartbeat", 25_000, 500]);
  expect(calls).toContainEqual(["durable", "notes"]);
  expect(calls).toContainEqual(["pauses"]);
  expect(calls).toContainEqual(["hasTokens"]);
});

test("a05 the transport that worked before is passed on", () => {
  vi.stubGlobal("localStorage", { getItem: () => `longpoll ${Date.now() + 1_000}` });
  expect(callsFor({ outbox: false })).toContainEqual(["worked", 2]);
});

test("a seed is a whole number below 2^53, and another one each time", () => {
  const seeds = Array.from({ length: 100 }, seed);
  for (const each of seeds) expect(Number.isSafeInteger(each) && each >= 0).toBe(true);
  expect(new Set(seeds).size).toBe(100);
});
