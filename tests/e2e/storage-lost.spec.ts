// The outbox when its storage goes away: database handles die, the browser removes the data, or
// storage can't be opened again.

import type { Page } from "@playwright/test";
import { expect, test } from "./support/network.js";
import {
  devtools,
  dump,
  end,
  openClient,
  openWithFirst,
  publishSome,
  reopen,
  run,
} from "./support/storage.js";

declare global {
  /** The database handles that the page has used, the newest last. */
  var handles: IDBDatabase[];
}

/** Records the handles that the package uses. */
async function watchHandles(page: Page): Promise<void> {
  await page.evaluate(() => {
    globalThis.handles = [];
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (...args) {
      if (!handles.includes(this)) handles.push(this);
      return transaction.apply(this, args);
    };
  });
}

test("s12: a dead handle is replaced within a second: fifty rows are there and go out in order", async ({
  page,
  hub,
}) => {
  await watchHandles(page);
  await openWithFirst(page, hub);
  await hub.kill();
  expect(await publishSome(page, 2, 50)).toEqual(Array(50).fill(true));
  const tookMs = await page.evaluate(async () => {
    for (const handle of handles) handle.close();
    const begunMs = performance.now();
    const receipt = await opened.client.topic("t").publish({ by: "page", n: 52 });
    receipt.acked.catch(() => {});
    return receipt.durable ? performance.now() - begunMs : Number.POSITIVE_INFINITY;
  });
  expect(tookMs).toBeLessThan(1_000);
  expect((await dump(page)).rows).toHaveLength(51);
  await hub.restart();
  await end(page, hub, { log: run(2, 51) });
});

test("s12: if storage can't be opened again, publications stay in memory and report it, and the rows wait", async ({
  page,
  hub,
}) => {
  await watchHandles(page);
  await openWithFirst(page, hub);
  await hub.kill();
  await publishSome(page, 2, 5);
  await page.evaluate(() => {
    for (const handle of handles) handle.close();
    IDBFactory.prototype.open = () => {
      throw new DOMException("Connection to Indexed Database server lost.", "UnknownError");
    };
  });
  expect(await publishSome(page, 7, 5)).toEqual(Array(5).fill(false));
  await hub.restart();
  await page.waitForFunction(() => opened.client.metrics().acks === 6);
  await reopen(page, hub.url);
  await end(page, hub, { log: [...run(7, 5), ...run(2, 5)] });
});

test("s13: the client reports storage that is removed while offline at once, and uses a new identity", async ({
  page,
  hub,
  siteUrl,
}) => {
  await openClient(page, hub.url);
  const [before] = await page.evaluate(async () => {
    const receipt = await opened.client.topic("t").publish({ by: "page", n: 1 });
    await receipt.acked;
    return [receipt.id];
  });
  await hub.kill();
  await page.evaluate(() => {
    Object.assign(globalThis, { lost: [] });
    const { lost } = globalThis as unknown as { lost: unknown[] };
    opened.client.on("outboxlost", (event) => lost.push(event));
  });
  await publishSome(page, 2, 10);
  const browser = await devtools(page);
  const origin = new URL(siteUrl).origin;
  await browser.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
  await page.waitForFunction(() => (globalThis as unknown as { lost: unknown[] }).lost.length > 0);
  expect(await page.evaluate(() => (globalThis as unknown as { lost: unknown[] }).lost)).toEqual([
    { rows: 10 },
  ]);
  expect(await page.evaluate(() => opened.deadLetters.map(({ reason }) => reason.code))).toEqual(
    Array(10).fill("outbox_lost"),
  );
  expect(await page.evaluate(() => opened.client.outbox.size)).toBe(0);
  await hub.restart();
  const after = await page.evaluate(async () => {
    const receipt = await opened.client.topic("t").publish({ by: "page", n: 12 });
    await receipt.acked;
    return receipt.id;
  });
  const producer = (id: string | undefined) => id?.split(":")[0];
  expect(producer(after)).not.toBe(producer(before));
  await end(page, hub, { log: [12] });
});

test("s13: a handle that died with its storage does not renumber rows of the old identity", async ({
  page,
  hub,
}) => {
  await watchHandles(page);
  await openClient(page, hub.url);
  await publishSome(page, 1, 3);
  await end(page, hub, { log: [1, 2, 3] });
  await page.evaluate(async () => {
    // Without an event, as after a crash of the browser's storage process.
    IDBDatabase.prototype.dispatchEvent = () => true;
    for (const handle of handles) handle.close();
    await new Promise((resolve) => {
      indexedDB.deleteDatabase("longhaul").onsuccess = resolve;
    });
  });
  expect(await publishSome(page, 4, 3)).toEqual(Array(3).fill(true));
  await end(page, hub, { log: run(1, 6) });
  const ids = await page.evaluate(() => opened.deadLetters.length);
  expect(ids).toBe(0);
});
