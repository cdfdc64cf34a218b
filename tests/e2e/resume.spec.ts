// `resume`: the positions from which a reloaded page continues.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";

async function follow(page: Page, url: string): Promise<void> {
  await page.evaluate(
    async ([url, quick]) => {
      globalThis.opened = longhaul.open(url, { ...quick, resume: true });
      globalThis.recorded = longhaul.record(opened.client, "t");
      await longhaul.reaches(opened.client, "connected");
      // The hub answers in order: once it has acked this, it has read the sub before it.
      await (await opened.client.topic("ready").publish(1)).acked;
    },
    [url, quick] as const,
  );
}

async function reload(page: Page): Promise<void> {
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
}

const seen = (page: Page) => page.evaluate(() => recorded.log.map(({ seq, gap }) => gap ?? seq));

test.describe("a page that is reloaded", () => {
  let publish: (from: number, count: number) => Promise<void>;

  test.use({ hubArgs: ["--retain-entries", "10"] });

  test.beforeEach(async ({ hub, page, newPage }) => {
    const writer = await newPage();
    publish = async (from, count) => {
      await writer.evaluate(
        async ([url, from, count]) => {
          const { client } = longhaul.open(url);
          await longhaul.publishMany(client, "t", from, count, "writer");
          await client.close();
        },
        [hub.url, from, count] as const,
      );
    };
    await publish(1, 2);
    await follow(page, hub.url);
  });

  test("a10: a live subscription continues after the last delivered message", async ({ hub, page }) => {
    await publish(3, 3);
    await page.waitForFunction(() => recorded.log.length === 3);
    await reload(page);
    await publish(6, 2);
    await follow(page, hub.url);
    await publish(8, 1);
    await page.waitForFunction(() => recorded.log.at(-1)?.seq === 8);
    expect(await seen(page)).toEqual([6, 7, 8]);
  });

  test("s47: a gap reports trimmed messages before anything later", async ({ hub, page }) => {
    await reload(page);
    await publish(3, 30);
    await follow(page, hub.url);
    await page.waitForFunction(() => recorded.log.at(-1)?.seq === 32);
    const log = await page.evaluate(() => recorded.log);
    expect(log[0]?.gap).toMatchObject({ fromSeq: 3, toSeq: 22, reason: "trimmed" });
    expect(log.slice(1).map(({ seq }) => seq)).toEqual([23, 24, 25, 26, 27, 28, 29, 30, 31, 32]);
  });

  test("s36: a gap reports a lost log before the first message of the new one", async ({ hub, page }) => {
    await publish(3, 1);
    await page.waitForFunction(() => recorded.log.length === 1);
    const epoch = await page.evaluate(() => recorded.log[0]?.epoch);
    await hub.kill();
    // Before the hub is back; otherwise this page may receive the gap, and the next one may not.
    await reload(page);
    await hub.restart();
    await publish(1, 2);
    await follow(page, hub.url);
    await page.waitForFunction(() => recorded.log.at(-1)?.seq === 2);
    const log = await page.evaluate(() => recorded.log);
    expect(log.map(({ seq, gap }) => gap?.reason ?? seq)).toEqual(["epoch", 1, 2]);
    expect(log[0]?.gap).toMatchObject({ epoch, fromSeq: 4 });
    expect(log[1]?.epoch).not.toBe(epoch);
  });

  test("a10: the position is never ahead of delivery: messages that an iteration has not taken come again", async ({
    hub,
    page,
  }) => {
    await page.evaluate(() => {
      globalThis.recorded.stop();
      // No consumer takes from it.
      const iteration = opened.client.topic("t").messages()[Symbol.asyncIterator]();
      void iteration.next();
    });
    await page.evaluate(async () => (await opened.client.topic("ready").publish(2)).acked);
    await publish(3, 3);
    await page.waitForFunction(() => opened.client.metrics().messagesReceived >= 3);
    await reload(page);
    await follow(page, hub.url);
    await page.waitForFunction(() => recorded.log.at(-1)?.seq === 5);
    const seqs = await seen(page);
    expect(seqs).toEqual(expect.arrayContaining([4, 5]));
  });

  test("a topic that the app left begins live again, and so does everything without the option", async ({
    hub,
    page,
  }) => {
    await page.evaluate(() => recorded.stop());
    await reload(page);
    await publish(3, 2);
    await follow(page, hub.url);
    await publish(5, 1);
    await page.waitForFunction(() => recorded.log.length > 0);
    expect(await seen(page)).toEqual([5]);
  });
});
