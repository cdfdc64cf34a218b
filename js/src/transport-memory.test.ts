import { beforeEach, expect, test, vi } from "vitest";
import { recallTransport, rememberTransport } from "./transport-memory.js";

const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  });
});

test("a05 the transport that worked with a hub is known for a day, and for no other hub", () => {
  rememberTransport("https://a/", "eventsource");
  expect(recallTransport("https://a/")).toBe("eventsource");
  expect(recallTransport("https://b/")).toBeUndefined();
  vi.advanceTimersByTime(24 * 60 * 60 * 1_000);
  expect(recallTransport("https://a/")).toBeUndefined();
});

test("other text in storage is no transport", () => {
  kept.set("longhaul:transport:https://a/", `carrier-pigeon ${Date.now() + 1_000}`);
  expect(recallTransport("https://a/")).toBeUndefined();
});

test("storage that is full, forbidden or missing does no harm", () => {
  vi.stubGlobal("localStorage", {
    getItem: () => null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });
  expect(() => rememberTransport("https://a/", "websocket")).not.toThrow();
  vi.stubGlobal("localStorage", undefined);
  expect(recallTransport("https://a/")).toBeUndefined();
});
