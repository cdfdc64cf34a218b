// The built package in browsers that are no Chromium: every transport, the way back when the line is down, and documents.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { hasAll, isOver, lively, open, publish, quick, waits } from "../e2e/support/network.js";
import { expect, test } from "./support/fixtures.js";

const transports: readonly api.TransportName[] = ["websocket", "eventsource", "longpoll"];

/** As the WebDriver programs call them. */
const names = { firefox: "firefox", webkit: "MiniBrowser" };

declare global {
  var plan: { document: api.Document<{ title: string }>; values: unknown[] };
}

/** Publishes without waiting: a driver runs one script at a time. */
async function begin(page: Page, from: number, count: number): Promise<void> {
  await page.evaluate(([from, count]) => void longhaul.publishMany(opened.client, "t", from, count, "page"), [
    from,
    count,
  ] as const);
}

for (const transport of transports) {
  test(`${transport}: what is published is received, and a line that is down is waited for`, async ({
    driven,
    engine,
    line,
  }) => {
    expect(await driven.browserName()).toBe(names[engine]);
    const { page } = driven;
    await open(page, line.url, { ...quick, transports: [transport] });
    await isOver(page, transport);
    expect((await publish(page, 1, 50)).map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
      Array.from({ length: 50 }, (_, i) => [i + 1, false]),
    );
    await hasAll(page, 50);

    // A cut alone may go unnoticed: Firefox repeats a poll by itself. Here nobody answers for a while.
    await begin(page, 51, 50);
    await line.kill();
    await waits(page, 1);
    await begin(page, 101, 20);
    await line.restart();
    await hasAll(page, 120);
    await isOver(page, transport);
  });
}

test("s08: a line that is half-open is found by its silence and left, with nothing lost or doubled", async ({
  driven,
  line,
}) => {
  const { page } = driven;
  await open(page, line.url, lively);
  await publish(page, 1, 5);
  await line.strand();
  await publish(page, 6, 20);
  await hasAll(page, 25);
  expect((await waits(page, 1))[0]?.code).toBe("heartbeat_timeout");
});

test("a document is followed, patched and confirmed", async ({ driven, hub }) => {
  const { page } = driven;
  await page.evaluate((url) => {
    const document = longhaul.connect(url).document<{ title: string }>("plan");
    globalThis.plan = { document, values: [] };
    document.subscribe((value) => plan.values.push(value));
  }, hub.url);
  await page.evaluate(async () => {
    const receipts = [
      await plan.document.merge({ title: "Plan" }),
      await plan.document.patch([{ op: "replace", path: "/title", value: "Ädvent 🎄" }]),
    ];
    for (const { acked } of receipts) await acked;
  });
  await page.waitForFunction(() => plan.document.pending === 0);
  const of = await page.evaluate(() => [plan.document.confirmed, plan.values.at(-1)]);
  expect(of).toEqual([{ title: "Ädvent 🎄" }, { title: "Ädvent 🎄" }]);
  expect(await (await fetch(`${hub.url}/v1/topics/plan`)).json()).toEqual({ title: "Ädvent 🎄" });
});
