import { afterEach, expect, test, vi } from "vitest";
import * as browser from "./browser.js";

/** Every API that this module uses. */
const globals = [
  "localStorage",
  "sessionStorage",
  "navigator",
  "BroadcastChannel",
  "crypto",
  "performance",
  "document",
  "location",
  "addEventListener",
  "removeEventListener",
] as const;

const before = globals.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor !== undefined) Object.defineProperty(globalThis, name, descriptor);
    else delete (globalThis as Record<string, unknown>)[name];
  }
});

function takeAway(get: () => unknown): void {
  for (const name of globals) Object.defineProperty(globalThis, name, { get, configurable: true });
}

const ways = {
  "is missing": () => undefined,
  throws: () => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  },
};

for (const [how, get] of Object.entries(ways)) {
  test(`f06_every_api_that_${how.replace(" ", "_")}_has_a_degraded_answer`, async () => {
    takeAway(get);
    expect(browser.keptText("localStorage", "k")).toBeUndefined();
    browser.keepText("sessionStorage", "k", "text");
    expect(browser.openChannel("c")).toBeUndefined();
    expect(browser.randomBytes(16)).toHaveLength(16);
    expect(new Set(browser.randomBytes(64)).size).toBeGreaterThan(8);
    expect(browser.nowMs()).toBeGreaterThan(1_000_000_000_000);
    expect(browser.requestsMade()).toEqual([]);
    expect(browser.isOnline()).toBe(true);
    expect(browser.page()).toBeUndefined();
    expect(browser.pageLocation()).toBeUndefined();
    browser.listen("online", () => {})();
    expect(await browser.serviceWorker()).toBeUndefined();
    expect(await browser.isDenied("background-sync")).toBe(false);
    expect(await browser.persist()).toBe(false);
    await expect(browser.withLock("l", {}, () => 1)).rejects.toThrow();
  });
}

test("APIs that the browser has are used", async () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, text: string) => void kept.set(key, text),
  };
  vi.stubGlobal("localStorage", storage);
  vi.stubGlobal("navigator", {
    onLine: false,
    permissions: { query: async () => ({ state: "denied" }) },
    storage: { persist: async () => true },
    locks: { request: async (_name: string, _options: object, act: (lock: object) => unknown) => act({}) },
  });
  browser.keepText("localStorage", "k", "text");
  expect(browser.keptText("localStorage", "k")).toBe("text");
  expect(browser.isOnline()).toBe(false);
  expect(await browser.isDenied("background-sync")).toBe(true);
  expect(await browser.persist()).toBe(true);
  expect(await browser.withLock("l", {}, (lock) => lock !== null)).toBe(true);
});

test("a listener is called until it is removed", () => {
  const target = new EventTarget();
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  vi.stubGlobal("removeEventListener", target.removeEventListener.bind(target));
  const heard = vi.fn();
  const mute = browser.listen("online", heard);
  target.dispatchEvent(new Event("online"));
  mute();
  target.dispatchEvent(new Event("online"));
  expect(heard).toHaveBeenCalledTimes(1);
});
