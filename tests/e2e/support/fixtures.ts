// The fixtures of each test: a hub of its own, and pages that have loaded the package.

import { test as base, type Page } from "@playwright/test";
import type * as api from "longhaul";
import type * as signatures from "longhaul/signatures";
import { Hub } from "./hub.js";
import { serveSite } from "./site.js";

/** The functions that tests/e2e/page/page.js puts into the page. */
export interface InPage {
  connect: typeof api.connect;
  LonghaulError: typeof api.LonghaulError;
  signed: typeof signatures.signed;
  open(url: string, options?: api.Options): Opened;
  record(
    client: api.Client,
    topic: string,
    options?: api.SubscribeOptions,
  ): { log: Recorded[]; stop: () => void };
  reaches(client: api.Client, state: api.Status["state"]): Promise<api.Status>;
  publishMany(client: api.Client, topic: string, from: number, count: number, by: string): Promise<api.Ack[]>;
  tokenFrom(url: string): () => Promise<string>;
}

export interface Opened {
  client: api.Client;
  statuses: api.Status[];
  errors: { code: string; message: string }[];
  deadLetters: api.DeadLetter[];
}

export type Numbered = { by: string; n: number };
export type Recorded = api.Message<Numbered> & { gap?: api.Gap };

declare global {
  var longhaul: InPage;
  /** Survives from one evaluate call of a test to the next. */
  var opened: Opened;
  var recorded: { log: Recorded[]; stop: () => void };
}

/** The shortest backoff that the client allows. */
export const quick = { backoff: { baseMs: 100, capMs: 400 } } satisfies api.Options;

interface Fixtures {
  hub: Hub;
  hubArgs: readonly string[];
  newPage: () => Promise<Page>;
}

export const test = base.extend<Fixtures, { siteUrl: string }>({
  siteUrl: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures from the pattern.
    async ({}, use) => {
      const site = await serveSite();
      await use(site.url);
      site.close();
    },
    { scope: "worker" },
  ],
  hubArgs: [[], { option: true }],
  hub: async ({ hubArgs }, use) => {
    const hub = await Hub.start(hubArgs);
    await use(hub);
    await hub.kill();
  },
  page: async ({ page, siteUrl }, use) => {
    await openPage(page, siteUrl);
    await use(page);
  },
  newPage: async ({ context, siteUrl }, use) => {
    await use(async () => openPage(await context.newPage(), siteUrl));
  },
});

async function openPage(page: Page, url: string): Promise<Page> {
  // An exception that no awaited promise carries is a failure of the product.
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(url);
  await page.waitForFunction(() => "longhaul" in globalThis);
  return page;
}

export { expect } from "@playwright/test";
