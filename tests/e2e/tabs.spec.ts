// Many tabs of one browser over HTTP, which has six connections to a host for all of them (rule
// T7); and polls that balancers cut.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { type Relay, startRelay } from "./support/relay.js";

/** The slots, and the requests of a tab while it moves from one transport to another. */
const slotsMax = 3;
const perTabMax = 2;
/** The longest wait of a tab, ms. A stuck tab would wait forever. */
const patienceMs = 30_000;

declare global {
  /** How many requests this tab holds open now, and the most that it ever held. */
  var downlinks: { open: number; max: number };
}

/** Counts the open HTTP requests in the page. */
function countDownlinks(): void {
  const count = { open: 0, max: 0 };
  const add = (n: number): void => {
    count.open += n;
    count.max = Math.max(count.max, count.open);
  };
  globalThis.downlinks = count;
  const original = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    const answer = original(input, init);
    if (!/ hold=[1-9]/.test(String(init?.body))) return answer;
    add(1);
    return answer.finally(() => add(-1));
  };
  const Original = globalThis.EventSource;
  globalThis.EventSource = class extends Original {
    constructor(url: string | URL) {
      super(url);
      add(1);
    }
    override close(): void {
      if (this.readyState !== Original.CLOSED) add(-1);
      super.close();
    }
  };
}

async function openTabs(count: number, newPage: () => Promise<Page>, url: string): Promise<Page[]> {
  const pages: Page[] = [];
  for (let i = 0; i < count; i++) pages.push(await newPage());
  await Promise.all(
    pages.map((page) =>
      page.evaluate(
        ([url, options]) => {
          globalThis.opened = longhaul.open(url, options);
          globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
        },
        [url, quick] as const,
      ),
    ),
  );
  return pages;
}

for (const transports of ["eventsource,longpoll", "longpoll"]) {
  test.describe(`a hub that serves ${transports} over HTTP/1.1`, () => {
    test.use({ hubArgs: ["--transports", transports] });
    for (const tabs of [7, 9]) {
      test(`t7: ${tabs} tabs all get all messages and all publish, and few of them hold requests open`, async ({
        hub,
        context,
        newPage,
      }) => {
        test.setTimeout(4 * patienceMs);
        await context.addInitScript(countDownlinks);
        const relay = await startRelay(hub.url);
        const pages = await openTabs(tabs, newPage, relay.url);
        for (const page of pages) {
          await page.waitForFunction(() => opened.client.status.state === "connected", undefined, {
            timeout: patienceMs,
          });
        }
        for (let round = 0; round < 2; round++) {
          const begun = Date.now();
          await Promise.all(
            pages.map((page, i) =>
              page.evaluate(
                ([round, i]) => longhaul.publishMany(opened.client, "t", 10 * round + 1, 10, `tab ${i}`),
                [round, i] as const,
              ),
            ),
          );
          for (const page of pages) {
            await page.waitForFunction((n) => recorded.log.length >= n, (round + 1) * 10 * tabs, {
              timeout: patienceMs,
            });
          }
          expect(Date.now() - begun, "nobody is stuck").toBeLessThan(patienceMs);
        }
        const logs = [];
        for (const page of pages) {
          const { log, errors, max } = await page.evaluate(() => ({
            log: recorded.log.map(({ seq, gap }) => gap?.reason ?? seq),
            errors: opened.errors,
            max: downlinks.max,
          }));
          expect(errors).toEqual([]);
          expect(max).toBeLessThanOrEqual(perTabMax);
          logs.push(log);
        }
        const all = Array.from({ length: 20 * tabs }, (_, i) => i + 1);
        expect(logs).toEqual(pages.map(() => all));
        await expect.poll(relay.openCount, { timeout: patienceMs }).toBe(slotsMax);
        expect(relay.openMax()).toBeLessThanOrEqual(slotsMax * perTabMax);

        // A closing tab returns its slot, and another tab takes it.
        const holds = await Promise.all(pages.map((page) => page.evaluate(() => downlinks.open)));
        expect(holds.filter((open) => open > 0)).toHaveLength(slotsMax);
        await pages[holds.findIndex((open) => open > 0)]?.close();
        await expect
          .poll(
            async () => {
              const open = pages
                .filter((page) => !page.isClosed())
                .map((page) => page.evaluate(() => downlinks.open));
              return (await Promise.all(open)).filter((open) => open > 0).length;
            },
            { timeout: patienceMs },
          )
          .toBe(slotsMax);
        relay.close();
      });
    }
  });
}

test.describe("a hub that serves no WebSocket, over HTTP/2", () => {
  test.use({ hubArgs: ["--transports", "eventsource,longpoll"], ignoreHTTPSErrors: true });

  test("t7: tabs whose requests share a connection each keep a stream open", async ({ hub, newPage }) => {
    test.setTimeout(4 * patienceMs);
    const relay = await startRelay(hub.url, { isMultiplexed: true });
    const pages = await openTabs(7, newPage, relay.url);
    for (const page of pages) {
      await page.waitForFunction(
        () => opened.client.status.state === "connected" && opened.client.status.transport === "eventsource",
        undefined,
        { timeout: patienceMs },
      );
    }
    await expect.poll(relay.openCount).toBe(7);
    relay.close();
  });
});

test("a16: while all is passive no request is open, and the requests of a live subscription end with it", async ({
  hub,
  page,
  newPage,
}) => {
  test.setTimeout(4 * patienceMs);
  const writer = await newPage();
  await writer.evaluate(async (url) => {
    globalThis.opened = longhaul.open(url);
    await longhaul.publishMany(opened.client, "t", 1, 5, "writer");
  }, hub.url);
  let sockets = 0;
  page.on("websocket", () => sockets++);
  const first = await page.evaluate(async (url) => {
    globalThis.opened = longhaul.open(url);
    globalThis.recorded = longhaul.record(opened.client, "t", { from: "start", passive: true });
    while (recorded.log.length < 5) await new Promise(requestAnimationFrame);
    const { acked } = await opened.client.topic("t").publish({ by: "page", n: 6 });
    const ack = await acked;
    const diagnosis = await opened.client.diagnose();
    return { status: opened.client.status, ack, diagnosis, degradedMs: opened.client.metrics().degradedMs };
  }, hub.url);
  expect(first).toMatchObject({
    status: { state: "connected", transport: "longpoll" },
    ack: { seq: 6, duplicate: false },
    diagnosis: { transport: "longpoll", advice: expect.stringContaining("All is well") },
    degradedMs: 0,
  });
  expect(sockets).toBe(0);
  await writer.evaluate(() => longhaul.publishMany(opened.client, "t", 7, 4, "writer"));
  await page.waitForFunction(() => recorded.log.length >= 10, undefined, { timeout: patienceMs });

  const live = await page.evaluate(async () => {
    const live = longhaul.record(opened.client, "t");
    const { client } = opened;
    while (client.status.state !== "connected" || client.status.transport !== "websocket")
      await new Promise(requestAnimationFrame);
    live.stop();
    return client.status;
  });
  expect(live).toMatchObject({ transport: "websocket" });
  await writer.evaluate(() => longhaul.publishMany(opened.client, "t", 11, 5, "writer"));
  await page.waitForFunction(
    () => opened.client.status.state === "connected" && opened.client.status.transport === "longpoll",
    undefined,
    { timeout: patienceMs },
  );
  await page.waitForFunction(() => recorded.log.length >= 15, undefined, { timeout: patienceMs });
  const { log, states } = await page.evaluate(() => ({
    log: recorded.log.map(({ seq, gap }) => gap?.reason ?? seq),
    states: opened.statuses.map(({ state }) => state),
  }));
  expect(log).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  expect(states).not.toContain("waiting");
});

test("t7: without locks a hidden page keeps no request open", async ({ hub, context, newPage }) => {
  await context.addInitScript(countDownlinks);
  await context.addInitScript(() => Object.defineProperty(navigator, "locks", { value: undefined }));
  const page = await newPage();
  const isShown = (isShown: boolean): Promise<void> =>
    page.evaluate(
      (state) => {
        Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      },
      isShown ? "visible" : "hidden",
    );
  await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, { ...options, transports: ["longpoll"] });
      globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
      await longhaul.reaches(opened.client, "connected");
    },
    [hub.url, quick] as const,
  );
  const holds = (open: number) =>
    page.waitForFunction((open) => downlinks.open === open, open, { timeout: patienceMs });
  await holds(1);
  await isShown(false);
  await holds(0);
  await page.evaluate(() => longhaul.publishMany(opened.client, "t", 1, 5, "page"));
  await page.waitForFunction(() => recorded.log.length >= 5, undefined, { timeout: patienceMs });
  const { advice } = await page.evaluate(() => opened.client.diagnose());
  expect(await page.evaluate(() => downlinks)).toEqual({ open: 0, max: 1 });
  expect(advice).toContain("Other tabs");
  await isShown(true);
  await holds(1);
});

test("a16: the client leaves a hub alone that asks for it, and the status says for how long", async ({
  hub,
  page,
}) => {
  const headers = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "retry-after",
    "retry-after": "7",
  };
  await page.route("**/v1/poll", (route) => route.fulfill({ status: 503, headers }), { times: 1 });
  const { status, tookMs } = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      longhaul.record(client, "t", { passive: true });
      const status = await longhaul.reaches(client, "waiting");
      const beganMs = performance.now();
      await longhaul.reaches(client, "connected");
      return { status, tookMs: performance.now() - beganMs };
    },
    [hub.url, quick] as const,
  );
  expect(status).toMatchObject({
    state: "waiting",
    reason: { code: "try_again_later", closeCode: 1013, retryAfterMs: 7_000 },
  });
  expect(tookMs).toBeGreaterThan(6_900);
});

test.describe("behind a balancer that cuts polls after 3 s", () => {
  let relay: Relay;
  test.afterEach(() => relay.close());

  test("a03: after a few cuts poll timeouts are shorter, and every message arrives once", async ({
    hub,
    page,
  }) => {
    test.setTimeout(4 * patienceMs);
    relay = await startRelay(hub.url, { cutMs: 3_000 });
    await page.evaluate(
      async ([url, options]) => {
        globalThis.opened = longhaul.open(url, { ...options, transports: ["longpoll"] });
        globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
        await longhaul.reaches(opened.client, "connected");
      },
      [relay.url, quick] as const,
    );
    await expect
      .poll(() => relay.pollTimeoutsMs.filter((ms) => ms > 0 && ms < 3_000).length, { timeout: patienceMs })
      .toBeGreaterThan(1);
    const { reconnects } = await page.evaluate(() => opened.client.metrics());
    expect(reconnects).toBeGreaterThan(0);
    // The browser repeats a cut poll once by itself, so the client sees every other cut, at twice
    // the age.
    expect(reconnects).toBeLessThanOrEqual(6);
    const cuts = relay.cuts();
    await expect
      .poll(() => relay.pollTimeoutsMs.filter((ms) => ms > 0 && ms < 3_000).length, { timeout: patienceMs })
      .toBeGreaterThan(4);
    expect(relay.cuts(), "and no more").toBe(cuts);
    await page.evaluate(() => longhaul.publishMany(opened.client, "t", 1, 20, "page"));
    await page.waitForFunction(() => recorded.log.length >= 20, undefined, { timeout: patienceMs });
    const log = await page.evaluate(() => recorded.log.map(({ seq, gap }) => gap?.reason ?? seq));
    expect(log).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});
