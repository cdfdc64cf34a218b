// A browser profile that was copied while its outbox was in use: two browsers continue from the
// same row number.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";
import { openClient, records } from "./support/storage.js";

/** Publishes these numbers, and returns how each ended. */
async function publishAll(page: Page, from: number, to: number): Promise<boolean[]> {
  return page.evaluate(
    async ([from, to]) => {
      const topic = opened.client.topic("t");
      const receipts = [];
      for (let n = from; n <= to; n++) receipts.push(await topic.publish({ by: "both", n }));
      const acks = await Promise.all(receipts.map(({ acked }) => acked));
      return acks.map(({ duplicate }) => duplicate);
    },
    [from, to] as const,
  );
}

/** Gives a page another page's outbox: its producer and the number of its last row. */
async function copyOutbox(page: Page, producer: unknown, last: number): Promise<void> {
  await records(page, "partitions", (record) => {
    record[0] = producer;
  });
  await page.evaluate(
    (last) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("longhaul");
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const database = request.result;
          const tx = database.transaction("rows", "readwrite");
          tx.objectStore("rows").put([], last);
          tx.objectStore("rows").delete(last);
          tx.oncomplete = () => {
            database.close();
            resolve();
          };
        };
      }),
    last,
  );
}

test("f17: two copies of a profile lose nothing, not even equal payloads", async ({ page, browser, hub }) => {
  await openClient(page, hub.url);
  expect(await publishAll(page, 1, 3)).toEqual([false, false, false]);
  const [before] = await records(page, "partitions");

  const context = await browser.newContext();
  const copy = await context.newPage();
  await copy.goto(page.url());
  await openClient(copy, hub.url);
  await copy.evaluate(() => opened.client.outbox.flush());
  await copy.evaluate(() => opened.client.close());
  await copyOutbox(copy, before?.[0], 3);
  await copy.reload();

  expect(await publishAll(page, 4, 6)).toEqual([false, false, false]);
  await copy.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
    },
    [hub.url, quick] as const,
  );
  expect(await publishAll(copy, 4, 6)).toEqual([false, false, false]);
  const [after] = await records(copy, "partitions");
  expect(after?.[0]).not.toBe(before?.[0]);
  expect(String(after?.[6]).trim()).toBe(before?.[0]);

  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1, 2, 3, 4, 5, 6, 4, 5, 6]);
  expect(new Set(entries.map(({ id }) => id)).size).toBe(9);
  for (const each of [page, copy]) {
    expect(await each.evaluate(() => opened.client.outbox.deadLetters())).toEqual([]);
    expect(await each.evaluate(() => opened.errors)).toEqual([]);
  }
  // The ids that readers see do not reveal the producer with which the outbox publishes.
  for (const name of [before?.[0], after?.[0]])
    expect(entries.some(({ id }) => id?.includes(String(name)))).toBe(false);
  await context.close();
});
