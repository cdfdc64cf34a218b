// Tabs that are really hidden, frozen and shown again, in a Chromium of their own.

import { fakeHub } from "./support/fake-hub.js";
import { expect, hasAll, open, publish, sockets, timed, waits } from "./support/network.js";
import { test as base, type Tab } from "./support/tabs.js";

/**
 * The limit, ms. The promise is 5 s, a busy machine has the double, and the heartbeat would need 35
 * s.
 */
const soonMs = 10_000;

/** A backoff of a minute, so that only expedited attempts are quick. */
const patient = { ...sockets, backoff: { baseMs: 60_000, capMs: 60_000, jitter: "none" } } as const;

interface Fixtures {
  /** The tab with the package, in front. */
  tab: Tab;
  /** The tab that hides the first one when it is shown. */
  other: Tab;
}

const test = base.extend<Fixtures>({
  tab: async ({ tabs, siteUrl }, use) => {
    const tab = await tabs.open(siteUrl);
    await tab.waitForFunction(() => "longhaul" in globalThis);
    await tab.show();
    await use(tab);
    await tab.evaluate(() => opened.client.close());
  },
  other: async ({ tabs }, use) => {
    await use(await tabs.open("about:blank"));
  },
});

test("s52: a hidden tab with slowed timers keeps its connection, on a silent and on a busy topic", async ({
  tab,
  other,
  peer: writer,
  line,
}) => {
  const { page } = tab;
  await open(page, line.url, { ...sockets, heartbeat: { intervalMs: 300, timeoutMs: 5_000 } });
  await publish(page, 1, 5);
  await other.show();
  await tab.waitForFunction(() => document.visibilityState === "hidden");
  const pings = async (least: number) => {
    const before = (await tab.evaluate(() => opened.client.metrics().rttMs.count)) as number;
    await tab.waitForFunction(
      ([before, least]: [number, number]) => opened.client.metrics().rttMs.count >= before + least,
      [before, least],
    );
  };
  await pings(3);
  await publish(writer, 6, 20);
  await pings(3);
  await hasAll(page, 25);
  expect(await waits(page)).toEqual([]);
  expect((await line.stats()).opened).toBe(1);
});

test("s52: in a hidden tab without timers, arriving messages trigger the pings", async ({
  tab,
  other,
  peer: writer,
  line,
}) => {
  const { page } = tab;
  await tab.show();
  await tab.waitForFunction(() => document.visibilityState === "visible");
  await open(page, line.url, { ...sockets, heartbeat: { intervalMs: 100, timeoutMs: 60_000 } });
  await publish(page, 1, 1);
  await other.show();
  await tab.waitForFunction(() => document.visibilityState === "hidden");
  const pings = () => tab.evaluate(() => opened.client.metrics().rttMs.count) as Promise<number>;
  await tab.evaluate(() => {
    globalThis.setTimeout = (() => 0) as unknown as typeof setTimeout;
  });
  const before = await pings();
  let sent = 1;
  while ((await pings()) < before + 5) await publish(writer, ++sent, 1);
  await hasAll(page, sent);
});

test("s08: a tab that is shown again probes its socket at once", async ({ tab, other, line }) => {
  const { page } = tab;
  await open(page, line.url);
  await publish(page, 1, 5);
  await other.show();
  await tab.waitForFunction(() => document.visibilityState === "hidden");
  const before = (await line.stats()).bytesUp;
  await tab.show();
  await expect.poll(async () => (await line.stats()).bytesUp).toBeGreaterThan(before);
  expect((await line.stats()).opened).toBe(1);
  await other.show();
  await tab.waitForFunction(() => document.visibilityState === "hidden");
  await line.strand();
  const tookMs = await timed(async () => {
    await tab.show();
    await tab.waitForFunction(() => opened.client.metrics().connects >= 2);
  });
  expect(tookMs).toBeLessThan(soonMs);
  await publish(page, 6, 5);
  await hasAll(page, 10);
});

test("no timer of a hidden tab exceeds the browser's limit: one of a month would fire at once, forever", async ({
  tab,
  other,
}) => {
  await other.show();
  await tab.waitForFunction(() => document.visibilityState === "hidden");
  // The hub asks for no attempt, so only the end of the publication's time is left to wait for.
  const hub = await fakeHub((socket) => socket.close(4500, "version_unsupported"));
  const { asked, rows } = (await tab.evaluate(async (url: string) => {
    const asked: number[] = [];
    const native = globalThis.setTimeout;
    globalThis.setTimeout = ((act: () => void, ms?: number) => {
      asked.push(ms ?? 0);
      return native(act, ms);
    }) as typeof setTimeout;
    // In a memory outbox the client watches the time to live.
    globalThis.opened = longhaul.open(url, { transports: ["websocket"], outbox: false });
    await opened.client.topic("t").publish({ n: 1 }, { ttlMs: 31 * 24 * 3_600_000 });
    await longhaul.reaches(opened.client, "closed");
    // Three turns of the loop: a timer that fires at once has fired by then.
    for (let i = 0; i < 3; i++) await new Promise((resolve) => native(resolve));
    return { asked, rows: opened.client.metrics().outboxRows };
  }, hub.url)) as { asked: number[]; rows: number };
  hub.close();
  expect(rows).toBe(1);
  expect(Math.max(...asked)).toBe(2 ** 31 - 1);
  expect(asked.length).toBeLessThan(10);
});

for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
  test(`s52: ${transport}: a frozen tab closes its connection, and is back at once when it resumes`, async ({
    tab,
    other,
    peer: writer,
    line,
  }) => {
    const { page } = tab;
    await open(page, line.url, { ...patient, transports: [transport] });
    await publish(writer, 1, 5);
    await hasAll(page, 5);
    await other.show();
    await tab.freeze("frozen");
    // The browser keeps connections of requests for later ones.
    if (transport === "websocket") await expect.poll(async () => (await line.stats()).open).toBe(0);
    await publish(writer, 6, 20);
    const tookMs = await timed(async () => {
      await tab.freeze("active");
      await hasAll(page, 25);
    });
    expect(tookMs).toBeLessThan(soonMs);
    expect(await waits(page)).toMatchObject([{ code: "page_suspended", closeCode: 4013 }]);
  });
}
