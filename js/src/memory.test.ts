import { beforeEach, expect, test, vi } from "vitest";
import { recall, remember } from "./memory.js";

const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  });
});

test("a05 what worked with a hub is known for a day, and of no other hub", () => {
  remember("https://a/", "eventsource");
  expect(recall("https://a/")).toBe("eventsource");
  expect(recall("https://b/")).toBeUndefined();
  vi.advanceTimersByTime(24 * 60 * 60 * 1_000);
  expect(recall("https://a/")).toBeUndefined();
});

test("what others have put there is no transport", () => {
  kept.set("longhaul:transport:https://a/", `carrier-pigeon ${Date.now() + 1_000}`);
  expect(recall("https://a/")).toBeUndefined();
});

test("a storage that is full, forbidden or missing is lived without", () => {
  vi.stubGlobal("localStorage", {
    getItem: () => null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });
  expect(() => remember("https://a/", "websocket")).not.toThrow();
  vi.stubGlobal("localStorage", undefined);
  expect(recall("https://a/")).toBeUndefined();
});
