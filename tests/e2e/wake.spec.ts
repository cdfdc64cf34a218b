// Pages that slept, were hidden, frozen, cached or moved to another network. A probe finds dead
// connections long before the heartbeat of 25 s, and keeps live ones.

import { chromium, type Page } from "@playwright/test";
import {
  expect,
  hasAll,
  isConnected,
  open,
  publish,
  quick,
  sockets,
  test,
  timed,
  waits,
} from "./support/network.js";

/**
 * The limit, ms. The promise is 5 s, a busy machine has the double, and the heartbeat would need 35
 * s.
 */
const soonMs = 10_000;

/** A sleep during which the monotonic clock stands still: only the wall clock is ahead. */
async function sleeps(page: Page, ms: number): Promise<void> {
  await page.evaluate((ms) => {
    const now = Date.now;
    Date.now = () => now() + ms;
  }, ms);
}

const twoHoursMs = 7_200_000;

for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
  test(`s53: ${transport}: the connection died in a sleep of two hours that only the clocks show`, async ({
    page,
    line,
  }) => {
    await open(page, line.url, { ...quick, transports: [transport] });
    await publish(page, 1, 5);
    await hasAll(page, 5);
    await line.strand();
    const tookMs = await timed(async () => {
      await sleeps(page, twoHoursMs);
      // The test publishes nothing before, because that would also reveal the fault.
      await page.waitForFunction(() => opened.client.metrics().connects >= 2);
    });
    expect(tookMs).toBeLessThan(soonMs);
    await publish(page, 6, 5);
    await hasAll(page, 10);
    const { connects, gaps } = await page.evaluate(() => opened.client.metrics());
    expect({ connects, gaps }).toEqual({ connects: 2, gaps: 0 });
  });
}

test("s53: the client probes a connection that survived the sleep, and keeps it", async ({ page, line }) => {
  await open(page, line.url);
  await publish(page, 1, 5);
  const before = (await line.stats()).bytesUp;
  await sleeps(page, twoHoursMs);
  await expect.poll(async () => (await line.stats()).bytesUp).toBeGreaterThan(before);
  await publish(page, 6, 5);
  await hasAll(page, 10);
  expect(await waits(page)).toEqual([]);
  expect((await line.stats()).opened).toBe(1);
});

test("s53: an attempt that was under way when the machine slept starts anew", async ({ page, line }) => {
  await line.setFaults({ accept: "blackHole" });
  await open(page, line.url);
  await expect.poll(async () => (await line.stats()).opened).toBe(1);
  await line.setFaults();
  const tookMs = await timed(async () => {
    await sleeps(page, twoHoursMs);
    await isConnected(page);
  });
  // The old attempt would have timed out after ten seconds.
  expect(tookMs).toBeLessThan(8_000);
  expect(await waits(page)).toEqual([]);
});

const events: Record<string, (page: Page) => Promise<void>> = {
  "the browser is online again": async (page) => {
    await page.evaluate(() => {
      dispatchEvent(new Event("offline"));
      dispatchEvent(new Event("online"));
    });
  },
  "the network changed": async (page) => {
    await page.evaluate(() => {
      const { connection } = navigator as unknown as { connection: EventTarget };
      connection.dispatchEvent(new Event("change"));
    });
  },
};
for (const [name, happens] of Object.entries(events)) {
  test(`s08: ${name}: the client replaces a half-open socket within seconds, and probes and keeps a live one`, async ({
    page,
    line,
  }) => {
    await open(page, line.url);
    await publish(page, 1, 5);
    const before = (await line.stats()).bytesUp;
    await happens(page);
    await expect.poll(async () => (await line.stats()).bytesUp).toBeGreaterThan(before);
    expect((await line.stats()).opened).toBe(1);
    await line.strand();
    const tookMs = await timed(async () => {
      await happens(page);
      await page.waitForFunction(() => opened.client.metrics().connects >= 2);
    });
    expect(tookMs).toBeLessThan(soonMs);
    await publish(page, 6, 5);
    await hasAll(page, 10);
  });
}

test("s08: the client stops waiting at once when the browser reports that the network is back", async ({
  page,
  context,
  hub,
}) => {
  await open(page, hub.url, { ...sockets, backoff: { baseMs: 60_000, capMs: 60_000, jitter: "none" } });
  await isConnected(page);
  await hub.kill();
  await waits(page, 1);
  await context.setOffline(true);
  await page.waitForFunction(() => opened.client.status.state === "offline");
  await hub.restart();
  const tookMs = await timed(async () => {
    await context.setOffline(false);
    await isConnected(page);
  });
  expect(tookMs).toBeLessThan(soonMs);
});

test("s52: a page leaves the back-forward cache and is connected, with nothing lost or doubled", async ({
  peer: writer,
  line,
  siteUrl,
}) => {
  const executablePath = process.env["LONGHAUL_CHROMIUM"] || process.env["CHROME_PATH"];
  // Playwright turns the cache off.
  const browser = await chromium.launch({
    ...(executablePath ? { executablePath } : {}),
    args: ["--no-sandbox", "--disable-gpu", "--enable-features=BackForwardCache"],
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(siteUrl);
    await page.waitForFunction(() => "longhaul" in globalThis);
    for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
      await open(page, line.url, {
        transports: [transport],
        backoff: { baseMs: 60_000, capMs: 60_000, jitter: "none" },
      });
      const before = await page.evaluate(async () => {
        addEventListener("pageshow", ({ persisted }) => {
          document.title = persisted ? "from the cache" : "loaded";
        });
        await longhaul.reaches(opened.client, "connected");
        return recorded.log.length;
      });
      await page.goto(`${siteUrl}page.js`);
      await expect.poll(async () => (await line.stats()).open, `${transport} has let go`).toBe(0);
      const count = (await publish(writer, before + 1, 20)).length;
      const tookMs = await timed(async () => {
        await page.goBack({ waitUntil: "commit" });
        await expect.poll(() => page.title()).toBe("from the cache");
        await page.waitForFunction((count) => recorded.log.length >= count, before + count);
      });
      expect(tookMs).toBeLessThan(soonMs);
      const seqs = await page.evaluate(() => recorded.log.map(({ seq, gap }) => gap ?? seq));
      expect(seqs).toEqual(Array.from({ length: before + count }, (_, i) => i + 1));
      expect(await waits(page)).toMatchObject([{ code: "page_suspended" }]);
      await page.evaluate(() => opened.client.close());
    }
  } finally {
    await browser.close();
  }
});
