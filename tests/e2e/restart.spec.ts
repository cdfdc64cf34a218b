// The hub dies and comes back: pages continue by themselves, and report the messages that they
// can't get.

import type { Page } from "@playwright/test";
import { expect, quick, type Recorded, test } from "./support/fixtures.js";

/**
 * Checks that within an epoch each seq comes once and in order, and that gaps report missing
 * ranges. A gap reports a new epoch before its first message.
 */
function checkLog(log: readonly Recorded[]): void {
  const next = new Map<string, number>();
  let epoch: string | undefined;
  let isReported = true;
  for (const { gap, ...message } of log) {
    if (gap !== undefined) {
      isReported = true;
      if (next.has(gap.epoch) || gap.reason === "trimmed") {
        expect(gap.fromSeq).toBe(next.get(gap.epoch) ?? 1);
        next.set(gap.epoch, gap.toSeq + 1);
      }
      continue;
    }
    if (message.epoch !== epoch) {
      expect(isReported, `a gap is reported before the first message of ${message.epoch}`).toBe(true);
      epoch = message.epoch;
    }
    expect(message.seq).toBe(next.get(epoch) ?? 1);
    next.set(epoch, message.seq + 1);
    isReported = false;
  }
}

async function begin(page: Page, url: string, by: string): Promise<void> {
  await page.evaluate(
    async ([url, options, by]) => {
      globalThis.opened = longhaul.open(url, options);
      globalThis.recorded = longhaul.record(opened.client, "load", { from: "start" });
      await longhaul.reaches(opened.client, "connected");
      // Endless load: the next batch goes out when the last one has its acks.
      void (async () => {
        for (let n = 1; opened.client.status.state !== "closed"; n += 20) {
          await longhaul.publishMany(opened.client, "load", n, 20, by);
        }
      })().catch(() => {});
    },
    [url, quick, by] as const,
  );
}

test.describe("a hub under load", () => {
  test.use({ hubArgs: ["--retain-entries", "1000000"] });

  test("a kill and a restart, and both pages continue", async ({ hub, page, newPage }) => {
    const pages = [page, await newPage()];
    for (const [i, page] of pages.entries()) await begin(page, hub.url, `page ${i}`);
    for (let round = 1; round <= 3; round++) {
      for (const page of pages) {
        // Both have received messages of this epoch, so there is something to lose.
        await page.waitForFunction(
          (round) => new Set(recorded.log.filter(({ gap }) => !gap).map(({ epoch }) => epoch)).size >= round,
          round,
        );
      }
      await hub.kill();
      await page.evaluate(() => longhaul.reaches(opened.client, "waiting"));
      await hub.restart();
    }
    for (const page of pages) {
      await page.waitForFunction(
        () => new Set(recorded.log.filter(({ gap }) => !gap).map(({ epoch }) => epoch)).size >= 4,
      );
    }
    await Promise.all(pages.map((page) => page.evaluate(() => opened.client.close())));
    for (const page of pages) {
      const { log, errors, metrics } = await page.evaluate(() => ({
        log: recorded.log,
        errors: opened.errors,
        metrics: opened.client.metrics(),
      }));
      checkLog(log);
      expect(log.filter(({ gap }) => gap?.reason === "epoch")).toHaveLength(3);
      expect(errors).toEqual([]);
      expect(metrics).toMatchObject({ reconnects: 3, gaps: 3, resumesFailed: 3 });
      for (const by of ["page 0", "page 1"]) {
        // Within an epoch a publisher's numbers only grow: nothing was appended twice or out of
        // order.
        for (const epoch of new Set(log.map(({ epoch }) => epoch))) {
          const numbers = log
            .filter((m) => !m.gap && m.epoch === epoch && m.data.by === by)
            .map((m) => m.data.n);
          expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        }
      }
    }
  });
});

test("publications made while the hub is away arrive when it is back, once and in order", async ({
  hub,
  page,
}) => {
  await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
      await longhaul.reaches(opened.client, "connected");
    },
    [hub.url, quick] as const,
  );
  await hub.kill();
  const acks = page.evaluate(async () => {
    await longhaul.reaches(opened.client, "waiting");
    return longhaul.publishMany(opened.client, "t", 1, 50, "away");
  });
  await page.waitForFunction(() => opened.client.metrics().publications === 50);
  await hub.restart();
  expect((await acks).map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  await page.waitForFunction(() => recorded.log.filter(({ gap }) => !gap).length === 50);
});

test("c27: a hub that stops says so, and exits cleanly", async ({ hub, page }) => {
  const waiting = page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    await longhaul.reaches(client, "connected");
    document.title = "connected";
    return longhaul.reaches(client, "waiting");
  }, hub.url);
  await page.waitForFunction(() => document.title === "connected");
  expect(await hub.stop()).toBe(0);
  expect(await waiting).toMatchObject({ state: "waiting", reason: { code: "going_away", closeCode: 1001 } });
});

test.describe("a hub that keeps ten messages", () => {
  test.use({ hubArgs: ["--retain-entries", "10"] });

  test("s47: a gap reports the range that the hub no longer has, and then the stream continues", async ({
    hub,
    page,
    newPage,
  }) => {
    const reader = await newPage();
    await reader.evaluate(
      async ([url, options]) => {
        globalThis.opened = longhaul.open(url, options);
        globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
        await longhaul.publishMany(opened.client, "t", 1, 3, "reader");
      },
      [hub.url, { ...quick, heartbeat: { intervalMs: 200, timeoutMs: 200 } }] as const,
    );
    await reader.waitForFunction(() => recorded.log.length === 3);
    // The page sleeps: none of its code runs, and it misses more than the hub keeps.
    const session = await reader.context().newCDPSession(reader);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
      offline: true,
      latency: 0,
      downloadThroughput: 0,
      uploadThroughput: 0,
    });
    await reader.evaluate(() => {
      opened.client.reconnect();
    });
    await page.evaluate(async (url) => {
      const { client } = longhaul.open(url);
      await longhaul.publishMany(client, "t", 4, 30, "writer");
    }, hub.url);
    await session.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
    await reader.waitForFunction(() => recorded.log.at(-1)?.seq === 33);
    const log = await reader.evaluate(() => recorded.log);
    expect(log.map(({ seq, gap }) => gap ?? seq)).toEqual([
      1,
      2,
      3,
      { epoch: log[0]?.epoch, fromSeq: 4, toSeq: 23, reason: "trimmed" },
      ...Array.from({ length: 10 }, (_, i) => 24 + i),
    ]);
  });
});
