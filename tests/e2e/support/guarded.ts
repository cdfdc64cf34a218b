// Steps for pages and a service worker before a gate that requires tokens: they sign users in,
// publish, and compare what the gate has seen.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { test as base, expect, quick } from "./fixtures.js";
import { type Gatekeeper, gatekeeper } from "./gatekeeper.js";
import { publish, verdicts } from "./rows.js";
import { knowsNoWorker } from "./worker.js";

export const test = base.extend<{ gate: Gatekeeper }>({
  gate: async ({ hub }, use) => {
    const gate = await gatekeeper(hub.url);
    await use(gate);
    gate.close();
  },
});

/**
 * Opens a client for this user. Its token function asks the gate, and the service worker does the
 * same.
 */
export async function signIn(
  page: Page,
  gate: Gatekeeper,
  subject: string,
  options: api.Options = { outbox: { tokenUrl: gate.tokenUrl } },
): Promise<void> {
  await page.evaluate(
    ([url, tokenUrl, options]) => {
      globalThis.opened = longhaul.open(url, { ...options, token: longhaul.tokenFrom(tokenUrl) });
      globalThis.publications = [];
    },
    [gate.url, gate.tokenUrl, { ...quick, subject, ...options }] as const,
  );
}

/** User a has one publication at the hub and five in the outbox, which wait for the hub. */
export async function queueFive(page: Page, gate: Gatekeeper, options?: api.Options): Promise<void> {
  gate.signIn("a");
  await signIn(page, gate, "a", options);
  await publish(page, gate.url, { count: 1, by: "a" });
  await verdicts(page);
  gate.setOutage(true);
  await publish(page, gate.url, { count: 5, by: "a" });
}

/** Opens a page that ignores the service worker, and calls `queueFive` in it. */
export async function pageWithFive(
  newPage: () => Promise<Page>,
  gate: Gatekeeper,
  options?: api.Options,
): Promise<Page> {
  const page = await knowsNoWorker(await newPage());
  await queueFive(page, gate, options);
  return page;
}

/** The publications that reached the gate, each with its author and the subject it came as. */
export function sentBy(gate: Gatekeeper): string[] {
  return [...new Set(gate.passed().map(({ as, data }) => `${data.by}${data.n} as ${as}`))].sort();
}

/** The list that `sentBy` returns if every publication came as its author. */
export function ownRun(by: string, from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${by}${from + i} as ${by}`);
}

export async function signOut(page: Page): Promise<void> {
  await page.evaluate(() => opened.client.close());
}

/** How many rows this page's client lists, and how many it counts. */
export async function rowsSeen(page: Page): Promise<number[]> {
  return page.evaluate(async () => [(await opened.client.outbox.rows()).length, opened.client.outbox.size]);
}

export { expect };
