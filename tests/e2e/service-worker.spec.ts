// The outbox in a service worker: rows that tabs have left behind arrive once and in order,
// whatever ends the worker.

import type { BrowserContext, Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";
import { conserved, publish, verdicts } from "./support/rows.js";
import { records } from "./support/storage.js";
import { isMute, knowsNoWorker, mute, silentPage, stoppable, Worker } from "./support/worker.js";

test.use(stoppable);

const probed = "/sw-probed.js";

for (const [script, type] of [
  ["/sw-classic.js", "classic"],
  ["/sw-module.js", "module"],
] as const) {
  test(`a ${type} service worker sends the rows of a closed tab`, async ({ page, newPage, hub }) => {
    await Worker.install(page, script, type);
    await hub.kill();
    // The worker confirms in its own time whose rows it sends.
    let published = 0;
    await expect
      .poll(() => {
        published++;
        return publish(page, hub.url, { count: 1 });
      })
      .toEqual(["background-sync"]);
    // Another page keeps the browser open, without a client.
    const worker = await Worker.install(await newPage(), script, type);
    await page.close();
    await hub.restart();
    await worker.sync();
    await expect
      .poll(async () => (await hubEntries<{ n: number }>(hub, "t").catch(() => [])).map(({ data }) => data.n))
      .toEqual(Array.from({ length: published }, (_, i) => i + 1));
  });
}

test("s24: a service worker that is stopped at any step of its flush leaves each row to the next one", async ({
  page,
  newPage,
  hub,
}) => {
  test.setTimeout(120_000);
  const worker = await Worker.install(page, probed);
  const writer = await silentPage(newPage);
  const steps: string[] = [];
  for (let isOver = false; !isOver; ) {
    await publish(writer, hub.url, { count: 4, topics: ["t", "u"], options: mute });
    await worker.forget();
    await worker.allow(steps.length + 1);
    await worker.sync();
    const { type, outcome } = await worker.next("stopped", "sync");
    isOver = type === "sync";
    if (isOver) expect(outcome).toBe("done");
    else steps.push(outcome);
    await worker.stop();
    expect(await worker.flush()).toBe("done");
    await verdicts(writer);
  }
  await conserved(hub, writer);
  // Before or after a post, and in or after the transaction that follows its answer.
  expect(steps.some((step) => step.endsWith("/v1/publish"))).toBe(true);
  expect(steps).toEqual(expect.arrayContaining(["will delete", "has a transaction complete"]));
});

test("s26: at the last chance without a connection the event fails, the tag is registered again, and the next visit sends", {
  tag: "@plain",
}, async ({ page, newPage, hub }) => {
  const worker = await Worker.install(page, probed);
  await hub.kill();
  const writer = await knowsNoWorker(await newPage());
  await publish(writer, hub.url, { count: 5 });
  const ids = await writer.evaluate(() => publications.map(({ id }) => id));
  await writer.close();
  const tags = () =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const { sync } = registration as unknown as { sync: { getTags(): Promise<string[]> } };
      return sync.getTags();
    });
  expect(await tags()).toEqual([]);
  await worker.sync({ lastChance: true });
  expect(await worker.outcome("sync")).toBe("not_flushed");
  expect(await tags()).toEqual(["longhaul-outbox"]);
  await hub.restart();
  const visit = await newPage();
  await visit.evaluate(
    ([url, options]) => Object.assign(globalThis, { opened: longhaul.open(url, options) }),
    [hub.url, quick] as const,
  );
  await expect.poll(async () => (await hubEntries(hub, "t")).map(({ id }) => id)).toEqual(ids);
  await expect.poll(() => visit.evaluate(() => opened.client.outbox.size)).toBe(0);
});

/** Browsers without Background Sync, and users who do not want it. */
const denials: [string, (page: Page, context: BrowserContext) => Promise<void>][] = [
  [
    "that is not there",
    (page) =>
      page.evaluate(() => {
        Reflect.deleteProperty(ServiceWorkerRegistration.prototype, "sync");
      }),
  ],
  [
    "that is not allowed",
    async (page, context) => {
      const cdp = await context.newCDPSession(page);
      const { targetInfo } = await cdp.send("Target.getTargetInfo");
      const { browserContextId } = targetInfo;
      if (browserContextId === undefined) throw new Error("which browser context is not known");
      const permission = { name: "background-sync" };
      await cdp.send("Browser.setPermission", { permission, setting: "denied", browserContextId });
    },
  ],
];

for (const [what, deny] of denials) {
  test(`s27: with a Background Sync ${what} receipts say so, and the next visit sends`, async ({
    page,
    newPage,
    context,
    hub,
  }) => {
    await Worker.install(page, probed);
    await hub.kill();
    const writer = await newPage();
    await deny(writer, context);
    expect(await publish(writer, hub.url, { count: 5 })).toEqual(Array(5).fill("next-visit"));
    const ids = await writer.evaluate(() => publications.map(({ id }) => id));
    await writer.close();
    await hub.restart();
    const visit = await knowsNoWorker(await newPage());
    await visit.evaluate(
      ([url, options]) => Object.assign(globalThis, { opened: longhaul.open(url, options) }),
      [hub.url, quick] as const,
    );
    await expect.poll(async () => (await hubEntries(hub, "t")).map(({ id }) => id)).toEqual(ids);
  });

  test(`s27: with a Background Sync ${what} a tab that can't send asks the service worker to`, async ({
    page,
    newPage,
    context,
    hub,
  }) => {
    const worker = await Worker.install(page, probed);
    const writer = await isMute(await newPage());
    await deny(writer, context);
    await publish(writer, hub.url, { count: 5, options: mute });
    await verdicts(writer);
    expect(await worker.outcome("message")).toBe("done");
    await conserved(hub, writer);
  });
}

test("rows whose text is no JSON become dead letters of the worker, and crash nothing", async ({
  page,
  newPage,
  hub,
}) => {
  const worker = await Worker.install(page, probed);
  const writer = await silentPage(newPage);
  await publish(writer, hub.url, { count: 2, options: mute });
  await writer.close();
  // No version of the package writes this, and the hub rejects it.
  await records(page, "rows", (record) => {
    record[3] = '{"n":';
  });
  expect(await worker.flush()).toBe("done");
  expect(await records(page, "rows")).toEqual([]);
  expect((await records(page, "letters")).map((record) => record[12])).toEqual([
    "payload_invalid",
    "payload_invalid",
  ]);
});

test("the worker handles its own tag and messages only, and loads nothing for those of the app", async ({
  page,
  hub,
  newPage,
}) => {
  const worker = await Worker.install(page, probed);
  await worker.sync({ tag: "app-queue" });
  expect(await worker.outcome("sync")).toBe("done");
  await worker.allow(null);
  expect((await worker.reports()).filter(({ type }) => type === "fetch")).toEqual([]);
  const writer = await isMute(await newPage());
  await publish(writer, hub.url, { count: 1, options: mute });
  await verdicts(writer);
  expect(await worker.reports()).toContainEqual({ type: "fetch", outcome: "/longhaul/longhaul_bg.wasm" });
});
