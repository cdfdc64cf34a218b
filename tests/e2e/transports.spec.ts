// Each transport alone, and the moves between them, with real pages and a real hub.

import type * as api from "longhaul";
import { expect, quick, test } from "./support/fixtures.js";

const transports: readonly api.TransportName[] = ["websocket", "eventsource", "longpoll"];

for (const transport of transports) {
  test(`${transport}: two pages exchange messages, each once and in the same order`, async ({
    hub,
    page,
    newPage,
  }) => {
    const pages = [page, await newPage()];
    for (const page of pages) {
      await page.evaluate(
        async ([url, options]) => {
          globalThis.opened = longhaul.open(url, options);
          globalThis.recorded = longhaul.record(opened.client, "demo/board", { from: "start" });
          await longhaul.reaches(opened.client, "connected");
        },
        [hub.url, { ...quick, transports: [transport] }] as const,
      );
    }
    const acks = await Promise.all(
      pages.map((page, i) =>
        page.evaluate((by) => longhaul.publishMany(opened.client, "demo/board", 1, 300, by), `page ${i}`),
      ),
    );
    expect(new Set(acks.flat().map(({ seq }) => seq)).size).toBe(600);
    const logs = [];
    for (const page of pages) {
      await page.waitForFunction(() => recorded.log.length >= 600);
      const { log, status, errors } = await page.evaluate(() => ({
        log: recorded.log,
        status: opened.client.status,
        errors: opened.errors,
      }));
      expect(errors).toEqual([]);
      expect(status).toMatchObject({ state: "connected", transport });
      logs.push(log);
    }
    const [first = [], second = []] = logs;
    expect(first.map(({ seq }) => seq)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
    expect(second).toEqual(first);
    for (const by of ["page 0", "page 1"]) {
      const numbers = first.filter(({ data }) => data.by === by).map(({ data }) => data.n);
      expect(numbers, "the order of its publisher").toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    }
  });

  test(`${transport}: subscriptions come and go, and the client survives and reports the hub's restart`, async ({
    hub,
    page,
  }) => {
    await page.evaluate(
      async ([url, options]) => {
        globalThis.opened = longhaul.open(url, options);
        globalThis.recorded = longhaul.record(opened.client, "a", { from: "start" });
        await longhaul.publishMany(opened.client, "a", 1, 3, "me");
        while (recorded.log.length < 3) await new Promise(requestAnimationFrame);
        const other = longhaul.record(opened.client, "b", { from: "start" });
        await longhaul.publishMany(opened.client, "b", 1, 3, "me");
        while (other.log.length < 3) await new Promise(requestAnimationFrame);
        other.stop();
        await longhaul.publishMany(opened.client, "a", 4, 3, "me");
        while (recorded.log.length < 6) await new Promise(requestAnimationFrame);
      },
      [hub.url, { ...quick, transports: [transport] }] as const,
    );
    await hub.kill();
    await page.waitForFunction(() => opened.client.status.state === "waiting");
    await hub.restart();
    const log = await page.evaluate(async () => {
      await longhaul.publishMany(opened.client, "a", 7, 2, "me");
      while (recorded.log.length < 9) await new Promise(requestAnimationFrame);
      return recorded.log;
    });
    expect(log.map(({ seq, data, gap }) => gap?.reason ?? [seq, data.n])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 5],
      [6, 6],
      "epoch",
      [1, 7],
      [2, 8],
    ]);
  });

  test(`${transport}: a hub that stops says so`, async ({ hub, page }) => {
    const waiting = page.evaluate(
      async ([url, options]) => {
        const { client } = longhaul.open(url, options);
        const { log } = longhaul.record(client, "a");
        await longhaul.reaches(client, "connected");
        await longhaul.publishMany(client, "a", 1, 1, "me");
        while (log.length < 1) await new Promise(requestAnimationFrame);
        // Requests that follow the next poll. Their answers show that the hub holds it.
        for (let i = 0; i < 3; i++) await fetch(`${url}/.well-known/longhaul`);
        document.title = "connected";
        return longhaul.reaches(client, "waiting");
      },
      [hub.url, { transports: [transport] }] as const,
    );
    await page.waitForFunction(() => document.title === "connected");
    expect(await hub.stop()).toBe(0);
    expect(await waiting).toMatchObject({
      state: "waiting",
      reason: { code: "going_away", closeCode: 1001 },
    });
  });
}

test.describe("a hub that serves no WebSocket", () => {
  test.use({ hubArgs: ["--transports", "eventsource,longpoll"] });

  test("a14 e17: the client takes the next transport, remembers it, and names the reason", async ({
    hub,
    page,
  }) => {
    const first = await page.evaluate(
      async ([url, options]) => {
        const { client } = longhaul.open(url, options);
        const status = await longhaul.reaches(client, "connected");
        const { log } = longhaul.record(client, "a", { from: "start" });
        await longhaul.publishMany(client, "a", 1, 1, "me");
        while (log.length < 1) await new Promise(requestAnimationFrame);
        const diagnosis = await client.diagnose();
        await client.close();
        return { status, diagnosis, metrics: client.metrics() };
      },
      [hub.url, quick] as const,
    );
    expect(first.status).toMatchObject({ state: "connected", transport: "eventsource" });
    expect(first.diagnosis).toMatchObject({
      transport: "eventsource",
      tried: [
        { transport: "websocket", outcome: "refused", detail: expect.stringContaining("does not serve") },
        { transport: "eventsource", outcome: "ok" },
      ],
      online: true,
      advice: expect.stringContaining("Connected over eventsource"),
    });
    await page.reload();
    await page.waitForFunction(() => "longhaul" in globalThis);
    const again = await page.evaluate(async (url) => {
      const { client } = longhaul.open(url);
      const first = client.status;
      const status = await longhaul.reaches(client, "connected");
      return { first, status, attempts: client.metrics().attempts };
    }, hub.url);
    expect(again).toMatchObject({ status: { transport: "eventsource" }, attempts: 1 });
  });
});

test("a15: a client that starts on a poll upgrades to the socket, and loses and doubles nothing", async ({
  hub,
  page,
  newPage,
}) => {
  const writer = await newPage();
  await writer.evaluate(async (url) => {
    globalThis.opened = longhaul.open(url);
    await longhaul.reaches(opened.client, "connected");
  }, hub.url);
  await page.evaluate(
    ([url, options]) => {
      // As if a poll had been the only way on the last visit.
      localStorage.setItem(`longhaul:transport:${url}/`, `longpoll ${Date.now() + 60_000}`);
      globalThis.opened = longhaul.open(url, options);
      globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
    },
    [hub.url, quick] as const,
  );
  await page.waitForFunction(() => opened.client.status.state === "connected");
  expect(await page.evaluate(() => opened.client.status)).toMatchObject({ transport: "longpoll" });
  const written = writer.evaluate(async () => {
    for (let n = 1; n <= 1_000; n += 10) {
      await longhaul.publishMany(opened.client, "t", n, 10, "writer");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  await page.waitForFunction(
    () => opened.client.status.state === "connected" && opened.client.status.transport === "websocket",
    undefined,
    { timeout: 30_000 },
  );
  await written;
  await page.waitForFunction(() => recorded.log.length >= 1_000);
  const { log, metrics, states } = await page.evaluate(() => ({
    log: recorded.log,
    metrics: opened.client.metrics(),
    states: opened.statuses.map(({ state }) => state),
  }));
  expect(log.map(({ seq, gap }) => gap ?? seq)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  expect(metrics).toMatchObject({ transportSwitches: 1, gaps: 0 });
  expect(states, "the user never saw it").not.toContain("waiting");
});

test("t1: publications made while a post is under way share the next one", async ({ hub, page }) => {
  let posts = 0;
  await page.route(/\/v1\/publish$/, async (route) => {
    posts += 1;
    // Long enough for the page to publish all of it.
    await page.waitForFunction(() => "published" in globalThis);
    await route.continue();
  });
  const acks = await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      await longhaul.reaches(opened.client, "connected");
      const acks = [];
      for (let n = 1; n <= 100; n++) {
        const { acked } = await opened.client.topic("a").publish({ by: "me", n });
        acks.push(acked);
      }
      Object.assign(globalThis, { published: true });
      return Promise.all(acks);
    },
    [hub.url, { ...quick, transports: ["longpoll"] }] as const,
  );
  expect(acks.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(posts).toBeLessThanOrEqual(3);
});
