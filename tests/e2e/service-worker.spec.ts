// The outbox in a service worker: rows that a closed tab has left arrive, once and in order.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";

/** Registers a service worker and waits until it is there. */
async function install(page: Page, script: string, type: WorkerType): Promise<void> {
  await page.evaluate(
    async ([script, type]) => {
      await navigator.serviceWorker.register(script, { type });
      await navigator.serviceWorker.ready;
    },
    [script, type] as const,
  );
}

/** Publishes n = 1 … count while the hub is away. */
async function publishInVain(page: Page, url: string, count: number): Promise<(string | undefined)[]> {
  return page.evaluate(
    async ([url, options, count]) => {
      globalThis.opened = longhaul.open(url, options);
      const topic = opened.client.topic("t");
      const calls = Array.from({ length: count }, (_, i) => topic.publish({ by: "page", n: i + 1 }));
      return (await Promise.all(calls)).map(({ deferred }) => deferred);
    },
    [url, quick, count] as const,
  );
}

for (const [script, type] of [
  ["/sw-classic.js", "classic"],
  ["/sw-module.js", "module"],
] as const) {
  test(`a ${type} service worker sends what a closed tab has left`, async ({
    page,
    newPage,
    hub,
    context,
  }) => {
    await install(page, script, type);
    await hub.kill();
    expect(await publishInVain(page, hub.url, 20)).toEqual(Array(20).fill("background-sync"));
    // Another page keeps the browser open, and has no client.
    const other = await newPage();
    await page.close();
    await hub.restart();
    const worker = context.serviceWorkers()[0];
    await sync(other, worker?.url() ?? "");
    await expect
      .poll(async () => (await hubEntries<{ n: number }>(hub, "t").catch(() => [])).map(({ data }) => data.n))
      .toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
}

/** Has the browser fire the sync event, as it does some minutes after a failed try. */
async function sync(page: Page, worker: string): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const found = registrations.find(({ scopeURL }) => worker.startsWith(scopeURL));
      if (found !== undefined) resolve(found.registrationId);
    });
  });
  await cdp.send("ServiceWorker.enable");
  await cdp.send("ServiceWorker.dispatchSyncEvent", {
    origin: new URL(worker).origin,
    registrationId: await registered,
    tag: "longhaul-outbox",
    lastChance: false,
  });
}
