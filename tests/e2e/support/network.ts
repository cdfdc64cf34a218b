// The fixtures and steps of network tests: a page, its hub, and a proxy between them that the test
// can break.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { test as base, expect, quick } from "./fixtures.js";
import { type Between, type FaultProxy, startFaultProxy } from "./proxies.js";

/** Options of a client that has only WebSocket, so the test sees what happens to its sockets. */
export const sockets = { ...quick, transports: ["websocket"] } satisfies api.Options;

/** The same options, with heartbeats short enough to wait for. */
export const shortHeartbeat = {
  ...sockets,
  heartbeat: { intervalMs: 500, timeoutMs: 500 },
} satisfies api.Options;

interface Fixtures {
  hubPort: number;
  /** Stops a proxy at the end of the test. */
  keep: <P extends Between>(starting: Promise<P>) => Promise<P>;
  /** The fault proxy in front of the hub, without faults. */
  line: FaultProxy;
  /** Another page, whose client reaches the hub without the fault proxy. */
  peer: Page;
}

export const test = base.extend<Fixtures>({
  hubPort: async ({ hub }, use) => {
    await use(Number(new URL(hub.url).port));
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures from the pattern.
  keep: async ({}, use) => {
    const started: Between[] = [];
    await use(async (starting) => {
      const proxy = await starting;
      started.push(proxy);
      return proxy;
    });
    await Promise.all(started.map((proxy) => proxy.stop()));
  },
  peer: async ({ newPage, hub }, use) => {
    const page = await newPage();
    await open(page, hub.url);
    await use(page);
  },
  line: async ({ hubPort, keep }, use) => {
    await use(await keep(startFaultProxy(hubPort)));
  },
});

/** Opens a client in the page that records topic "t" from its start. Does not wait for it. */
export async function open(page: Page, url: string, options: api.Options = sockets): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
    },
    [url, options] as const,
  );
}

export async function isConnected(page: Page): Promise<void> {
  await page.evaluate(() => longhaul.reaches(opened.client, "connected"));
}

export async function isOver(page: Page, transport: api.TransportName, timeout = 45_000): Promise<void> {
  await page.waitForFunction(
    (transport) => opened.client.status.state === "connected" && opened.client.status.transport === transport,
    transport,
    { timeout },
  );
}

/** Publishes n = from, from + 1, … and resolves with the acks. */
export async function publish(page: Page, from: number, count: number, by = "page"): Promise<api.Ack[]> {
  return page.evaluate(([from, count, by]) => longhaul.publishMany(opened.client, "t", from, count, by), [
    from,
    count,
    by,
  ] as const);
}

/** Publishes as `publish` does, and checks that the hub appends each n as seq n, once. */
export async function publishFresh(page: Page, from: number, count: number): Promise<void> {
  const acks = await publish(page, from, count);
  expect(acks.map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
    Array.from({ length: count }, (_, i) => [from + i, false]),
  );
}

/** Checks that the record has exactly 1 … count, in order, and that the page saw no error. */
export async function hasAll(page: Page, count: number): Promise<void> {
  await page.waitForFunction((count) => recorded.log.length >= count, count);
  const { log, errors, deadLetters } = await page.evaluate(() => ({
    log: recorded.log.map(({ seq, data, gap }) => gap ?? [seq, data.n]),
    errors: opened.errors,
    deadLetters: opened.deadLetters,
  }));
  expect(log).toEqual(Array.from({ length: count }, (_, i) => [i + 1, i + 1]));
  expect({ errors, deadLetters }).toEqual({ errors: [], deadLetters: [] });
}

/** The reasons of all waits so far, once there are at least `least` of them. */
export async function waits(page: Page, least = 0): Promise<{ code: string; closeCode?: number }[]> {
  await page.waitForFunction(
    (least) => opened.statuses.filter(({ state }) => state === "waiting").length >= least,
    least,
  );
  return page.evaluate(() =>
    opened.statuses.flatMap((status) => (status.state === "waiting" ? [status.reason] : [])),
  );
}

/** How long `act` took, ms. */
export async function timed(act: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await act();
  return performance.now() - begunMs;
}

export { expect, quick } from "./fixtures.js";
