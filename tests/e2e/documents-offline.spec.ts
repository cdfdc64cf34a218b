// Documents without a network: own changes survive a reload, show over the confirmed value, and
// settle.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { expect, isConnected, quick, test } from "./support/network.js";

interface Plan {
  title: string;
  cards: { [id: string]: string };
}

declare global {
  var offlinePlan: { document: api.Document<Plan>; values: (Plan | null | undefined)[] };
}

async function follow(page: Page, url: string): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      const document = opened.client.document<Plan>("plan");
      globalThis.offlinePlan = { document, values: [] };
      document.subscribe((value) => offlinePlan.values.push(value));
    },
    [url, { ...quick, transports: ["websocket"] } satisfies api.Options] as const,
  );
}

test("own changes survive a reload without a network, show over the confirmed value, and settle", async ({
  page,
  newPage,
  line,
}) => {
  await follow(page, line.url);
  await isConnected(page);
  await page.evaluate(async () => {
    const { acked } = await offlinePlan.document.merge({ title: "Plan", cards: { "1": "one" } });
    await acked;
  });
  await expect.poll(() => page.evaluate(() => offlinePlan.document.pending)).toBe(0);
  await line.setFaults({ accept: "reset" });
  await line.cut();
  await expect.poll(() => page.evaluate(() => opened.client.status.state)).not.toBe("connected");
  const durable = await page.evaluate(async () => {
    const merged = await offlinePlan.document.merge({ cards: { "2": "two" } });
    const patched = await offlinePlan.document.patch([
      { op: "test", path: "/cards/2", value: "two" },
      { op: "replace", path: "/title", value: "Plan B" },
    ]);
    return [merged.durable, patched.durable];
  });
  expect(durable).toEqual([true, true]);
  const value = { title: "Plan B", cards: { "1": "one", "2": "two" } };
  await expect.poll(() => page.evaluate(() => offlinePlan.document.value)).toEqual(value);
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  await follow(page, line.url);
  await expect.poll(() => page.evaluate(() => offlinePlan.document.value)).toEqual(value);
  expect(await page.evaluate(() => [offlinePlan.document.pending, offlinePlan.document.confirmed])).toEqual([
    2,
    { title: "Plan", cards: { "1": "one" } },
  ]);
  await line.setFaults({});
  await isConnected(page);
  await expect.poll(() => page.evaluate(() => offlinePlan.document.pending)).toBe(0);
  expect(await page.evaluate(() => [offlinePlan.document.value, offlinePlan.document.confirmed])).toEqual([
    value,
    value,
  ]);
  expect(await page.evaluate(() => opened.errors)).toEqual([]);
  // The offline copy is gone, so another page starts with the hub's value.
  const other = await newPage();
  await follow(other, line.url);
  await expect.poll(() => other.evaluate(() => offlinePlan.document.value)).toEqual(value);
});

test("a change made while nobody follows shows to a later listener offline, and goes when it is discarded", async ({
  page,
  line,
}) => {
  await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      const document = opened.client.document<Plan>("plan");
      globalThis.offlinePlan = { document, values: [] };
      const stop = document.onChange(() => {});
      await (await document.merge({ title: "Plan" })).acked;
      while (document.confirmed?.title !== "Plan") await new Promise(requestAnimationFrame);
      stop();
    },
    [line.url, { ...quick, transports: ["websocket"] } satisfies api.Options] as const,
  );
  await line.setFaults({ accept: "reset" });
  await line.cut();
  await expect.poll(() => page.evaluate(() => opened.client.status.state)).not.toBe("connected");
  const shown = await page.evaluate(async () => {
    const { document } = offlinePlan;
    const receipt = await document.merge({ cards: { "1": "one" } });
    document.subscribe((value) => offlinePlan.values.push(value));
    const joined = document.state;
    await opened.client.outbox.discard(receipt.id);
    return [joined, document.state];
  });
  const confirmed = { title: "Plan" };
  expect(shown).toMatchObject([
    { value: { title: "Plan", cards: { "1": "one" } }, confirmed, pending: 1 },
    { value: confirmed, confirmed, pending: 0 },
  ]);
  await line.setFaults({});
  await isConnected(page);
  await expect.poll(() => page.evaluate(() => opened.client.outbox.size)).toBe(0);
  expect(await page.evaluate(() => offlinePlan.document.state)).toMatchObject({
    value: confirmed,
    pending: 0,
  });
  expect(await page.evaluate(() => opened.errors)).toEqual([]);
});
