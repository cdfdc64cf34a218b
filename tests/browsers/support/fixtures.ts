// The fixtures of tests in other browsers: one browser for each worker, a fresh page for each test,
// and the usual hub and proxies.

import type { Page } from "@playwright/test";
import { test as base } from "../../e2e/support/network.js";
import { Driven, type Engine } from "./driver.js";

interface Fixtures {
  /** The test page in that browser, reloaded. */
  driven: Driven;
}

export const test = base.extend<Fixtures, { engine: Engine; browserOfWorker: Driven }>({
  engine: ["firefox", { option: true, scope: "worker" }],
  browserOfWorker: [
    async ({ engine }, use) => {
      const driven = await Driven.launch(engine);
      await use(driven);
      await driven.close();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  driven: async ({ browserOfWorker, siteUrl }, use) => {
    await browserOfWorker.goto(siteUrl);
    await use(browserOfWorker);
  },
});

/** Publishes without waiting, because a driver runs one script at a time. */
export async function begin(page: Page, from: number, count: number): Promise<void> {
  await page.evaluate(([from, count]) => void longhaul.publishMany(opened.client, "t", from, count, "page"), [
    from,
    count,
  ] as const);
}

export { expect } from "../../e2e/support/network.js";
