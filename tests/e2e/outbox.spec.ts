// The outbox in the browser's storage: accepted publications survive reloads, and take effect once
// and in order.

import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";
import { isEmpty } from "./support/rows.js";
import { openClient, publishSome, reopen } from "./support/storage.js";

test("s02: publications made while the hub was away arrive after a reload, once and in order", {
  tag: "@plain",
}, async ({ page, hub }) => {
  await hub.kill();
  await openClient(page, hub.url);
  expect(await publishSome(page, 1, 10)).toEqual(Array(10).fill(true));
  expect(await page.evaluate(() => opened.client.outbox.size)).toBe(10);
  await reopen(page, hub.url);
  await page.waitForFunction(() => opened.client.outbox.size === 10);
  expect((await page.evaluate(() => opened.client.outbox.rows())).map(({ state }) => state)).toEqual(
    Array(10).fill("queued"),
  );
  await hub.restart();
  await isEmpty(page);
  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("a publication online is durable, acknowledged and gone from storage", async ({ page, hub }) => {
  const outcome = await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      const receipt = await opened.client.topic("t").publish({ by: "page", n: 1 });
      const { durable, id } = receipt;
      return { durable, id, ack: await receipt.acked };
    },
    [hub.url, quick] as const,
  );
  expect(outcome).toMatchObject({ durable: true, ack: { seq: 1, duplicate: false } });
  await isEmpty(page);
  const [entry] = await hubEntries(hub, "t");
  expect(entry?.id).toBe(outcome.id);
});

test("two tabs publish to one topic: the leader sends for both, and each receives its own verdicts", {
  tag: "@plain",
}, async ({ page, newPage, hub }) => {
  const pages = [page, await newPage()];
  const acks = await Promise.all(
    pages.map((page, i) =>
      page.evaluate(
        async ([url, options, by]) => {
          globalThis.opened = longhaul.open(url, options);
          return longhaul.publishMany(opened.client, "t", 1, 50, by);
        },
        [hub.url, quick, `page ${i}`] as const,
      ),
    ),
  );
  const seqs = acks.flat().map(({ seq }) => seq);
  expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  const entries = await hubEntries<{ by: string; n: number }>(hub, "t");
  expect(entries).toHaveLength(100);
  for (const by of ["page 0", "page 1"]) {
    const own = entries.filter(({ data }) => data.by === by).map(({ data }) => data.n);
    expect(own).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  }
});
