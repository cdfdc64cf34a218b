// Pages and a service worker before a gate that wants tokens: who signs in, what is published as whom, and what the gate has seen.

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

/** An app's client for this user, whose token function asks the gate. The service worker is told to ask it too. */
export async function signIn(
  page: Page,
  gate: Gatekeeper,
  subject: string,
  options: api.Options = { outbox: { tokenUrl: gate.tokenUrl } },
): Promise<void> {
  await page.evaluate(
    ([url, tokenUrl, options]) => {
      globalThis.opened = longhaul.open(url, { ...options, token: longhaul.tokenFrom(tokenUrl) });
      globalThis.kept = [];
    },
    [gate.url, gate.tokenUrl, { ...quick, subject, ...options }] as const,
  );
}

/** User a has one publication at the hub, and five that wait for it to come back. */
export async function queueFive(page: Page, gate: Gatekeeper, options?: api.Options): Promise<void> {
  gate.signIn("a");
  await signIn(page, gate, "a", options);
  await publish(page, gate.url, { count: 1, by: "a" });
  await verdicts(page);
  gate.setOutage(true);
  await publish(page, gate.url, { count: 5, by: "a" });
}

/** A page that leaves the service worker alone, after `queueFive`. */
export async function pageWithFive(
  newPage: () => Promise<Page>,
  gate: Gatekeeper,
  options?: api.Options,
): Promise<Page> {
  const page = await knowsNoWorker(await newPage());
  await queueFive(page, gate, options);
  return page;
}

/** What has come as far as the gate, by whom it is and as whom it came; however often. */
export function sentBy(gate: Gatekeeper): string[] {
  return [...new Set(gate.passed().map(({ as, data }) => `${data.by}${data.n} as ${as}`))].sort();
}

/** As `sentBy` tells what came as its own user. */
export function ownRun(by: string, from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${by}${from + i} as ${by}`);
}

export async function signOut(page: Page): Promise<void> {
  await page.evaluate(() => opened.client.close());
}

/** How many rows this page's client sees, and how many it counts. */
export async function rowsSeen(page: Page): Promise<number[]> {
  return page.evaluate(async () => [(await opened.client.outbox.rows()).length, opened.client.outbox.size]);
}

export { expect };
