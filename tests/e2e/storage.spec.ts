// The outbox when storage fails under it: killed tabs, a full disk, aborted transactions.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/network.js";
import {
  devtools,
  dump,
  end,
  errorCodes,
  openClient,
  openWithFirst,
  publishSome,
  reopen,
  run,
  whereabouts,
} from "./support/storage.js";

/**
 * The moments at which the tab of s01 stops until it is killed, and the certain results of each.
 */
const moments = {
  "before its rows are committed": { accepted: 0, there: 0 },
  "after its rows are committed and before it knows": { accepted: 0, there: 20 },
  "at its first receipt": { accepted: 1, there: 20 },
  "at its first ack": { accepted: 20, there: 20 },
} as const;

for (const [moment, certain] of Object.entries(moments)) {
  test(`s01: a tab that is killed ${moment}: each publication is there whole or not at all, and takes effect once`, async ({
    page,
    newPage,
    hub,
  }) => {
    const next = await newPage();
    // A blocked page accepts no new session.
    const killer = await devtools(page);
    const accepted: number[] = [];
    await page.exposeFunction("accept", (n: number) => void accepted.push(n));
    const isStuck = new Promise<void>((resolve) => page.exposeFunction("stuck", resolve));
    await page.waitForFunction(() => "stuck" in globalThis);
    page
      .evaluate(
        ([moment, url, options]) => {
          const hooks = globalThis as unknown as { accept(n: number): void; stuck(): void };
          // Blocks the page; otherwise the kill would come after all acks.
          const stand = (where: string) => {
            if (where !== moment) return;
            hooks.stuck();
            for (;;);
          };
          const { add } = IDBObjectStore.prototype;
          const { commit } = IDBTransaction.prototype;
          const writing = new WeakSet<IDBTransaction>();
          IDBObjectStore.prototype.add = function (...args) {
            writing.add(this.transaction);
            return add.apply(this, args);
          };
          IDBTransaction.prototype.commit = function () {
            if (writing.has(this)) stand("before its rows are committed");
            commit.call(this);
            if (writing.has(this)) stand("after its rows are committed and before it knows");
          };
          // Publications made before storage is open share a transaction.
          globalThis.opened = longhaul.open(url, options);
          const topic = opened.client.topic("t");
          for (let n = 1; n <= 20; n++) {
            topic.publish({ by: "page", n }).then(({ acked }) => {
              hooks.accept(n);
              stand("at its first receipt");
              acked.then(
                () => stand("at its first ack"),
                () => {},
              );
            });
          }
        },
        [moment, hub.url, quick] as const,
      )
      .catch(() => {});
    await isStuck;
    const crashed = page.waitForEvent("crash");
    killer.send("Page.crash").catch(() => {});
    await crashed;
    expect(accepted).toEqual(run(1, certain.accepted));
    // All in one transaction, so all or none.
    const { log, rows } = await whereabouts(next, hub);
    const there = [...new Set([...log, ...rows])].sort((a, b) => a - b);
    expect(there).toEqual(run(1, certain.there));
    await openClient(next, hub.url);
    await end(next, hub, { log: there });
  });
}

test("s03: publications that a reset keeps from the hub are sent again, once", async ({
  page,
  hub,
  line,
}) => {
  await openWithFirst(page, hub, { url: line.url });
  await line.setFaults({ stop: "up" });
  expect(await publishSome(page, 2, 10)).toEqual(Array(10).fill(true));
  await page.waitForFunction(() => opened.client.metrics().outboxRows === 10);
  expect(await whereabouts(page, hub)).toEqual({ log: [1], rows: run(2, 10), deadLetters: [] });
  await line.cut();
  await line.setFaults();
  await end(page, hub, { log: run(1, 11) });
});

test("s04: publications that the hub has when a reset loses their acks get the first verdict again", async ({
  page,
  hub,
  line,
}) => {
  await openWithFirst(page, hub, { url: line.url });
  await line.setFaults({ stop: "down" });
  const acks = page.evaluate(() => longhaul.publishMany(opened.client, "t", 2, 10, "page"));
  await expect
    .poll(() => whereabouts(page, hub))
    .toEqual({ log: run(1, 11), rows: run(2, 10), deadLetters: [] });
  await line.cut();
  await line.setFaults();
  expect((await acks).map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
    run(2, 10).map((seq) => [seq, true]),
  );
  await end(page, hub, { log: run(1, 11) });
});

test("s05: a row of a tab that is killed between its ack and its deletion is sent again, and the hub knows it", async ({
  page,
  hub,
}) => {
  await page.evaluate(() => {
    IDBObjectStore.prototype.delete = function () {
      return this.get(0);
    };
  });
  await openClient(page, hub.url);
  await page.evaluate(() => longhaul.publishMany(opened.client, "t", 1, 5, "page"));
  expect(await whereabouts(page, hub)).toEqual({ log: run(1, 5), rows: run(1, 5), deadLetters: [] });
  await reopen(page, hub.url);
  await end(page, hub, { log: run(1, 5) });
  expect(await page.evaluate(() => opened.client.metrics().acks)).toBe(5);
});

test("s08: twenty publications into a half-open socket are durable at once and sent again, in order and once", async ({
  page,
  hub,
  line,
}) => {
  await openWithFirst(page, hub, { url: line.url, heartbeat: { intervalMs: 500, timeoutMs: 500 } });
  await line.strand();
  expect(await publishSome(page, 2, 20)).toEqual(Array(20).fill(true));
  await end(page, hub, { log: run(1, 21) });
});

/**
 * Sets how many bytes the origin may have in the browser; without `quotaSize` back to the default.
 */
async function setQuota(page: Page, quotaSize?: number): Promise<void> {
  const browser = await devtools(page);
  const origin = new URL(page.url()).origin;
  const quota = quotaSize === undefined ? {} : { quotaSize };
  await browser.send("Storage.overrideQuotaForOrigin", { origin, ...quota });
}

test("s09: without room in the browser publish rejects and earlier rows stay; with room it works again", async ({
  page,
  hub,
}) => {
  // Before the first use of storage, because the browser caches the quota for a while.
  await setQuota(page, 6 * 1024 * 1024);
  await openWithFirst(page, hub);
  await hub.kill();
  const outcomes = await page.evaluate(async () => {
    // Data that LevelDB can't compress.
    const noise = () =>
      Array.from(crypto.getRandomValues(new Uint8Array(30_000)), (byte) =>
        byte.toString(16).padStart(2, "0"),
      ).join("");
    const topic = opened.client.topic("t");
    const outcomes: (boolean | string)[] = [];
    for (let n = 2; n < 300 && !outcomes.some((outcome) => typeof outcome === "string"); n++) {
      const call = topic.publish({ by: noise(), n });
      outcomes.push(
        await call.then(
          ({ durable, acked }) => {
            acked.catch(() => {});
            return durable;
          },
          ({ code }) => String(code),
        ),
      );
    }
    return outcomes;
  });
  const taken = outcomes.length - 1;
  expect(outcomes).toEqual([...Array(taken).fill(true), "storage_full"]);
  expect(taken).toBeGreaterThan(10);
  expect((await dump(page)).rows).toEqual(run(2, taken));
  expect(await errorCodes(page)).toEqual([]);
  // The hub has lost its memory, and accepts the rows from any number on.
  await setQuota(page);
  await hub.restart();
  expect(await publishSome(page, 1_000, 1)).toEqual([true]);
  await end(page, hub, { log: [...run(2, taken), 1_000] });
});

test("s09: without room from the first visit on, publications stay in memory, report it, and arrive", async ({
  page,
  hub,
}) => {
  await setQuota(page, 1);
  await openClient(page, hub.url);
  expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(false));
  await page.waitForFunction(() => opened.client.metrics().acks === 3);
  expect(await whereabouts(page, hub)).toEqual({ log: [1, 2, 3], rows: [], deadLetters: [] });
  expect(await errorCodes(page)).toEqual([]);
});

/** Makes the browser abort the next `count` write transactions at their commit. */
async function abortWrites(page: Page, count: number): Promise<void> {
  await page.evaluate((count) => {
    const { add } = IDBObjectStore.prototype;
    const { commit } = IDBTransaction.prototype;
    const writing = new WeakSet<IDBTransaction>();
    let left = count;
    IDBObjectStore.prototype.add = function (...args) {
      writing.add(this.transaction);
      return add.apply(this, args);
    };
    IDBTransaction.prototype.commit = function () {
      if (writing.has(this) && left-- > 0) this.abort();
      else commit.call(this);
    };
  }, count);
}

test("s10: the client repeats an aborted transaction once, and then publish rejects", async ({
  page,
  hub,
}) => {
  await openWithFirst(page, hub);
  await abortWrites(page, 2);
  expect(await publishSome(page, 2, 3)).toEqual(Array(3).fill("storage_full"));
  await abortWrites(page, 1);
  expect(await publishSome(page, 5, 3)).toEqual(Array(3).fill(true));
  await end(page, hub, { log: [1, 5, 6, 7] });
  expect(await page.evaluate(() => opened.client.outbox.size)).toBe(0);
});

test("s10: a listener that throws within the transaction aborts it, and none of its rows is stored or reported", async ({
  context,
  siteUrl,
  hub,
}) => {
  // The page itself reports the exception.
  const page = await context.newPage();
  await page.goto(siteUrl);
  await page.waitForFunction(() => "longhaul" in globalThis);
  await openWithFirst(page, hub);
  const codes = await page.evaluate(async () => {
    const { add } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.add = function (...args) {
      const request = add.apply(this, args);
      request.addEventListener("success", () => {
        throw new Error("another script's listener");
      });
      return request;
    };
    const publish = (n: number) =>
      opened.client
        .topic("t")
        .publish({ by: "page", n })
        .then(
          ({ durable }) => durable,
          ({ code }) => String(code),
        );
    // A transaction that is committed explicitly is out of the listener's reach.
    const codes = [await publish(2)];
    // Without an explicit commit, an exception in a listener aborts the transaction.
    IDBTransaction.prototype.commit = () => {};
    codes.push(...(await Promise.all([publish(3), publish(4)])));
    return codes;
  });
  expect(codes).toEqual([true, "storage_full", "storage_full"]);
  await reopen(page, hub.url);
  expect(await publishSome(page, 5, 1)).toEqual([true]);
  await end(page, hub, { log: [1, 2, 5] });
});

test("persist asks the browser to keep the storage, and is false without such an API", async ({ page }) => {
  const answers = await page.evaluate(async () => {
    const { client } = longhaul.open("http://127.0.0.1:9");
    const asked: string[] = [];
    StorageManager.prototype.persist = async () => asked.push("persist") > 0;
    const granted = await client.outbox.persist();
    Object.defineProperty(navigator, "storage", { value: undefined });
    return { granted, asked, missing: await client.outbox.persist() };
  });
  expect(answers).toEqual({ granted: true, asked: ["persist"], missing: false });
});
