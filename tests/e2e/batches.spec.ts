// Publications that are saved together share batch records. Each of them still has its own outcome.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/network.js";
import {
  dump,
  end,
  openWithFirst,
  publishSome,
  records,
  reopen,
  run,
  whereabouts,
} from "./support/storage.js";

/** How many records hold the rows of all subjects. */
async function recordCount(page: Page): Promise<number> {
  return (await records(page, "rows")).length + (await records(page, "packs")).length;
}

test("three hundred publications at once are a dozen records, arrive in order, and go with their verdicts", async ({
  page,
  hub,
}) => {
  await openWithFirst(page, hub);
  await hub.kill();
  expect(await publishSome(page, 2, 300)).toEqual(Array(300).fill(true));
  expect((await dump(page)).rows).toEqual(run(2, 300));
  expect(await recordCount(page)).toBeLessThan(12);
  // The numbers continue behind them.
  for (const n of [302, 303]) expect(await publishSome(page, n, 1)).toEqual([true]);
  await reopen(page, hub.url);
  await page.waitForFunction(() => opened.client.outbox.size === 302);
  const acks = await page.evaluate(async () =>
    (await opened.client.outbox.rows()).map(({ id, data }) => [
      Number(id.split(":")[1]),
      (data as { n: number }).n,
    ]),
  );
  expect(acks).toEqual(run(2, 302).map((n) => [n, n]));
  await hub.restart();
  // The hub has lost its memory.
  await end(page, hub, { log: run(2, 302) });
  expect(await recordCount(page)).toBe(0);
});

test("a cut while a batch goes out leaves the rows without verdict, and only those are there after a reload", async ({
  page,
  hub,
  line,
}) => {
  await openWithFirst(page, hub, { url: line.url });
  await line.setFaults({ stop: "down" });
  expect(await publishSome(page, 2, 100)).toEqual(Array(100).fill(true));
  await expect.poll(() => whereabouts(page, hub)).toMatchObject({ log: run(1, 101) });
  // Sent without a verdict, so all rows are still there.
  expect((await dump(page)).rows).toEqual(run(2, 100));
  await page.evaluate(() => opened.client.close());
  await line.cut();
  await line.setFaults();
  await reopen(page, line.url);
  await end(page, hub, { log: run(1, 101) });
  expect(await page.evaluate(() => opened.client.metrics().acks)).toBe(100);
});

test("a discarded row and an expired row within a batch do not move the others", async ({ page, hub }) => {
  await openWithFirst(page, hub);
  await hub.kill();
  const id = await page.evaluate(async () => {
    const topic = opened.client.topic("t");
    const calls = Array.from({ length: 60 }, (_, i) =>
      topic.publish({ by: "page", n: i + 2 }, i === 40 ? { ttlMs: 1 } : {}),
    );
    const receipts = await Promise.all(calls);
    for (const { acked } of receipts) acked.catch(() => {});
    return receipts[20]?.id ?? "";
  });
  await page.evaluate((id) => opened.client.outbox.discard(id), id);
  await reopen(page, hub.url);
  await page.waitForFunction(() => opened.client.outbox.size >= 59);
  await hub.restart();
  const log = run(2, 60).filter((n) => n !== 22 && n !== 42);
  await end(page, hub, { log, deadLetters: [42] });
  expect(await recordCount(page)).toBe(0);
});

test("a wipe removes the batch records of its subject, and keeps those of another one", async ({
  page,
  hub,
}) => {
  await openWithFirst(page, hub, { subject: "ann" });
  await hub.kill();
  await publishSome(page, 2, 50);
  await reopen(page, hub.url, { ...quick, subject: "ben" });
  await publishSome(page, 52, 50);
  expect((await dump(page)).rows).toEqual(run(2, 100));
  await page.evaluate(() => opened.client.outbox.wipe());
  expect((await dump(page)).rows).toEqual(run(2, 50));
  await hub.restart();
  await reopen(page, hub.url, { ...quick, subject: "ann" });
  await end(page, hub, { log: run(2, 50) });
});

test("s12: when a handle dies before the verdicts of a batch are stored, the next one stores them, and nothing is sent again", async ({
  page,
  hub,
}) => {
  await openWithFirst(page, hub);
  await hub.kill();
  expect(await publishSome(page, 2, 50)).toEqual(Array(50).fill(true));
  await page.evaluate(() => {
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (names, mode, ...rest) {
      if (mode !== "readwrite") return transaction.call(this, names, mode, ...rest);
      IDBDatabase.prototype.transaction = transaction;
      this.close();
      throw new DOMException("The database connection is closing.", "InvalidStateError");
    };
  });
  await hub.restart();
  await end(page, hub, { log: run(2, 50) });
  await page.waitForFunction(() => opened.client.outbox.size === 0);
  const { acks, publications } = await page.evaluate(() => opened.client.metrics());
  expect({ acks, publications }).toEqual({ acks: 51, publications: 51 });
});
