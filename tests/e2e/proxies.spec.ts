// What stands between a page and its hub: proxies as users set them up, proxies as they should not be, and bad networks.
// Real Chromium, the real hub, and real proxies with the files of docs/operations.

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { test as base, expect, quick } from "./support/fixtures.js";
import {
  type Between,
  type FaultProxy,
  type Rule,
  startFaultProxy,
  startHaproxy,
  startNginx,
  startSquid,
} from "./support/proxies.js";
import { listening } from "./support/site.js";

/** A client that has no other way, so that what happens to its sockets shows. */
const sockets = { ...quick, transports: ["websocket"] } satisfies api.Options;

/** The same with heartbeats short enough to wait for. */
const lively = { ...sockets, heartbeat: { intervalMs: 500, timeoutMs: 500 } } satisfies api.Options;

interface Fixtures {
  hubPort: number;
  /** Stops a proxy at the test's end. */
  keep: <P extends Between>(starting: Promise<P>) => Promise<P>;
  /** The fault proxy before the hub, with nothing wrong. */
  line: FaultProxy;
}

const test = base.extend<Fixtures>({
  hubPort: async ({ hub }, use) => {
    await use(Number(new URL(hub.url).port));
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright finds a fixture's needs in the pattern.
  keep: async ({}, use) => {
    const kept: Between[] = [];
    await use(async (starting) => {
      const proxy = await starting;
      kept.push(proxy);
      return proxy;
    });
    await Promise.all(kept.map((proxy) => proxy.stop()));
  },
  line: async ({ hubPort, keep }, use) => {
    await use(await keep(startFaultProxy(hubPort)));
  },
});

/** Opens a client in the page, that records topic "t" from its start. Does not wait. */
async function open(page: Page, url: string, options: api.Options = sockets): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
    },
    [url, options] as const,
  );
}

async function isConnected(page: Page): Promise<void> {
  await page.evaluate(() => longhaul.reaches(opened.client, "connected"));
}

/** Publishes n = from, from + 1, … and gives the acks when all are there. */
async function publish(page: Page, from: number, count: number, by = "page"): Promise<api.Ack[]> {
  return page.evaluate(([from, count, by]) => longhaul.publishMany(opened.client, "t", from, count, by), [
    from,
    count,
    by,
  ] as const);
}

/** A publisher whose messages have some 600 bytes. */
const heavy = "page".padEnd(600, ".");

/** The record has 1 … count, each once, in order, and nothing else; nor did the page see an error. */
async function hasAll(page: Page, count: number): Promise<void> {
  await page.waitForFunction((count) => recorded.log.length >= count, count);
  const { log, errors, deadLetters } = await page.evaluate(() => ({
    log: recorded.log.map(({ seq, data, gap }) => gap ?? [seq, data.n]),
    errors: opened.errors,
    deadLetters: opened.deadLetters,
  }));
  expect(log).toEqual(Array.from({ length: count }, (_, i) => [i + 1, i + 1]));
  expect({ errors, deadLetters }).toEqual({ errors: [], deadLetters: [] });
}

/** The reasons of the waits so far, as they are now or when there are `least` of them. */
async function waits(page: Page, least = 0): Promise<{ code: string; closeCode?: number }[]> {
  await page.waitForFunction(
    (least) => opened.statuses.filter(({ state }) => state === "waiting").length >= least,
    least,
  );
  return page.evaluate(() =>
    opened.statuses.flatMap((status) => (status.state === "waiting" ? [status.reason] : [])),
  );
}

test.describe("proxies that let WebSockets through", () => {
  const kinds: Record<string, (hubPort: number) => Promise<Between>> = {
    "nginx.conf": (hubPort) => startNginx("nginx.conf", hubPort),
    "haproxy.cfg": startHaproxy,
  };
  for (const [name, start] of Object.entries(kinds)) {
    test(`${name}: messages go both ways, and on after the proxy was away`, async ({
      page,
      hubPort,
      keep,
    }) => {
      const proxy = await keep(start(hubPort));
      await open(page, proxy.url);
      await publish(page, 1, 50);
      await hasAll(page, 50);
      await proxy.kill();
      await waits(page, 1);
      const late = publish(page, 51, 20);
      await proxy.restart();
      expect((await late).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 51));
      await hasAll(page, 70);
    });

    test(`${name}: the hub's HTTP goes through, with the methods and answers that back ends know`, async ({
      hubPort,
      keep,
    }) => {
      const proxy = await keep(start(hubPort));
      const headers = { "content-type": "application/json", "idempotency-key": "k1" };
      const send = () => fetch(`${proxy.url}/v1/topics/t`, { method: "POST", headers, body: '{"n":1}' });
      expect(await (await send()).json()).toMatchObject({ seq: 1, duplicate: false });
      expect(await (await send()).json()).toMatchObject({ seq: 1, duplicate: true });
      expect((await fetch(`${proxy.url}/healthz`)).status).toBe(200);
      expect((await fetch(`${proxy.url}/v1/topics/t?from=1`)).status).toBe(200);
    });
  }

  test("squid.conf: a browser behind it reaches the hub by CONNECT, and only hubs", async ({
    browser,
    hub,
    hubPort,
    keep,
    siteUrl,
  }) => {
    const squid = await keep(startSquid(hubPort));
    const proxied = await browser.newContext({
      // The page itself comes directly, as from another server; loopback is not excepted.
      proxy: { server: squid.url, bypass: new URL(siteUrl).host },
    });
    const page = await proxied.newPage();
    await page.goto(siteUrl);
    await page.waitForFunction(() => "longhaul" in globalThis);
    await open(page, hub.url);
    await publish(page, 1, 50);
    await hasAll(page, 50);
    // Without squid there is no way: it was really between.
    await squid.kill();
    await waits(page, 2);
    const late = publish(page, 51, 20);
    await squid.restart();
    await late;
    await hasAll(page, 70);

    // A tunnel to another port is refused, and told as a lost connection.
    const elsewhere = await keep(startFaultProxy(hubPort));
    await page.evaluate(() => opened.client.close());
    await open(page, elsewhere.url);
    expect((await waits(page, 1))[0]).toMatchObject({ code: "connection_lost", closeCode: 1006 });
    expect((await elsewhere.stats()).opened).toBe(0);
    await proxied.close();
  });
});

test.describe("event streams through proxies", () => {
  /** Serves a stream that has said one thing and says no more until it is ended. */
  async function streaming() {
    const responses: ServerResponse[] = [];
    const server = createServer((request, response) => {
      if (request.url !== "/v1/events") return void response.end();
      response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
      response.write("data: 1\n\n");
      responses.push(response);
    });
    await listening(server);
    return {
      port: (server.address() as AddressInfo).port,
      end: () => responses.forEach((response) => void response.end("data: 2\n\n")),
      close: () => server.close(),
    };
  }

  const kinds: Record<string, (port: number) => Promise<Between>> = {
    "nginx.conf": (port) => startNginx("nginx.conf", port),
    "nginx-no-upgrade.conf": (port) => startNginx("nginx-no-upgrade.conf", port),
    "haproxy.cfg": startHaproxy,
  };
  for (const [name, start] of Object.entries(kinds)) {
    test(`${name}: an event comes at once`, async ({ keep }) => {
      const upstream = await streaming();
      const proxy = await keep(start(upstream.port));
      const { body } = await fetch(`${proxy.url}/v1/events`);
      const first = await body?.getReader().read();
      expect(new TextDecoder().decode(first?.value)).toBe("data: 1\n\n");
      upstream.end();
      upstream.close();
    });
  }

  test("nginx-buffering.conf: nothing of a stream comes before it has ended, not even its head", async ({
    keep,
  }) => {
    const upstream = await streaming();
    const proxy = await keep(startNginx("nginx-buffering.conf", upstream.port));
    let hasCome = false;
    const events = fetch(`${proxy.url}/v1/events`).then((response) => {
      hasCome = true;
      return response.text();
    });
    // It has one process: what it would pass on at once, it had passed on before it answered these.
    for (let i = 0; i < 20; i++) await fetch(`${proxy.url}/healthz`);
    expect(hasCome).toBe(false);
    upstream.end();
    expect(await events).toBe("data: 1\n\ndata: 2\n\n");
    upstream.close();
  });
});

test.describe("proxies that do not", () => {
  for (const file of ["nginx-no-upgrade.conf", "nginx-buffering.conf"] as const) {
    test(`${file}: the client waits, says why and tries again; other requests pass`, async ({
      page,
      hubPort,
      keep,
    }) => {
      const proxy = await keep(startNginx(file, hubPort));
      await open(page, proxy.url);
      for (const reason of await waits(page, 3)) {
        expect(reason).toMatchObject({ code: "connection_lost", closeCode: 1006 });
      }
      expect((await fetch(`${proxy.url}/healthz`)).status).toBe(200);
    });
  }

  test("c32: a stripped subprotocol is a failed attempt, however often", async ({ page, line }) => {
    await line.setFaults({ http: [{ upgrade: true, action: "stripSubprotocol" }] });
    await open(page, line.url);
    for (const { closeCode } of await waits(page, 3)) {
      // Chromium fails such a handshake by itself; a browser that does not leaves it to us, with 4005.
      expect([1006, 4005]).toContain(closeCode);
    }
    expect((await line.stats()).ruled).toBeGreaterThanOrEqual(3);
    await line.setFaults();
    await publish(page, 1, 5);
    await hasAll(page, 5);
  });

  const html = "<!doctype html><title>Sign in to the hotel's network</title>";
  const answers: Record<string, Rule["action"]> = {
    "s17: 503": { answer: { status: 503, headers: { "Retry-After": "1" } } },
    "s17: 429": { answer: { status: 429, headers: { "Retry-After": "1" } } },
    "502 with HTML": { answer: { status: 502, body: "<h1>Bad Gateway</h1>" } },
    "s18: 200 with HTML, a captive portal": { answer: { status: 200, body: html } },
    "400 to each upgrade": "blockUpgrade",
  };
  for (const [name, action] of Object.entries(answers)) {
    test(`${name}, five times: the client waits five times and loses nothing`, async ({ page, line }) => {
      await line.setFaults({ http: [{ times: 5, action }] });
      await open(page, line.url);
      await publish(page, 1, 5);
      await hasAll(page, 5);
      const reasons = await waits(page);
      expect(reasons).toHaveLength(5);
      for (const reason of reasons) {
        expect(reason).toMatchObject({ code: "connection_lost", closeCode: 1006 });
      }
      expect((await line.stats()).ruled).toBe(5);
    });
  }

  const holes: Record<string, Parameters<FaultProxy["setFaults"]>[0]> = {
    "a network that swallows connections": { accept: "blackHole" },
    "a proxy that swallows WebSocket handshakes": {
      http: [{ pathPrefix: "/v1/connect", action: "swallow" }],
    },
  };
  for (const [name, faults] of Object.entries(holes)) {
    test(`${name} is given up after ten seconds with open_timeout, and tried again`, async ({
      page,
      line,
    }) => {
      await line.setFaults(faults);
      await open(page, line.url);
      expect(await waits(page, 1)).toMatchObject([{ code: "open_timeout", closeCode: 4003 }]);
      await line.setFaults();
      await publish(page, 1, 5);
      await hasAll(page, 5);
    });
  }

  test("connections that are reset at once are lost, and tried again", async ({ page, line }) => {
    await line.setFaults({ accept: "reset" });
    await open(page, line.url);
    for (const reason of await waits(page, 3)) {
      expect(reason).toMatchObject({ code: "connection_lost", closeCode: 1006 });
    }
    await line.setFaults();
    await publish(page, 1, 5);
    await hasAll(page, 5);
  });
});

test.describe("bad networks", () => {
  test("s07: connections reset while publications are on their way lose and double nothing", async ({
    page,
    newPage,
    hub,
    line,
  }) => {
    const reader = await newPage();
    await open(reader, hub.url);
    await open(page, line.url);
    await isConnected(page);
    // Up to the end publications are made and connections die, at moments that nobody chose.
    for (let round = 0; round < 10; round++) {
      const acks = publish(page, round * 40 + 1, 40);
      await line.cut();
      await isConnected(page);
      await line.cut();
      await acks;
    }
    await hasAll(page, 400);
    await hasAll(reader, 400);
    expect((await waits(page)).length).toBeGreaterThanOrEqual(10);
  });

  test("connections that never last for long are enough, where they last for a frame", async ({
    page,
    newPage,
    hub,
    line,
  }) => {
    // A frame is 64 KiB at most; each connection dies in its second one, in the middle.
    const resetAfterBytes = 100_000;
    const writer = await newPage();
    await open(writer, hub.url);
    await publish(writer, 1, 600, heavy);
    await line.setFaults({ down: { resetAfterBytes } });
    await open(page, line.url);
    await hasAll(page, 600);
    expect((await waits(page)).length).toBeGreaterThanOrEqual(3);
    await line.setFaults({ up: { resetAfterBytes } });
    await publish(page, 601, 400, heavy);
    await hasAll(page, 1_000);
    await hasAll(writer, 1_000);
    expect((await waits(page)).length).toBeGreaterThanOrEqual(5);
  });

  test("s08: a half-open connection is found by its heartbeat, and what was said into it arrives once", async ({
    page,
    newPage,
    hub,
    line,
  }) => {
    const reader = await newPage();
    await open(reader, hub.url);
    await open(page, line.url, lively);
    await publish(page, 1, 5);
    // A router forgot the connection. New ones work.
    const strandedMs = Date.now();
    expect(await line.strand()).toBe(1);
    const acks = await publish(page, 6, 20);
    expect(Date.now() - strandedMs).toBeLessThan(10_000);
    expect(acks.map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
      Array.from({ length: 20 }, (_, i) => [i + 6, false]),
    );
    expect(await waits(page)).toMatchObject([{ code: "heartbeat_timeout", closeCode: 4002 }]);
    await hasAll(page, 25);
    await hasAll(reader, 25);
  });

  test("s08: what was said into a half-open connection and arrives after all has no second effect", async ({
    page,
    newPage,
    hub,
    line,
  }) => {
    const reader = await newPage();
    await open(reader, hub.url);
    await open(page, line.url, lively);
    await publish(page, 1, 5);
    const before = (await line.stats()).bytesUp;
    await line.setFaults({ stop: "both" });
    const acks = publish(page, 6, 20);
    expect((await waits(page, 1))[0]).toMatchObject({ code: "heartbeat_timeout", closeCode: 4002 });
    expect((await line.stats()).bytesUp).toBe(before);
    // Everything that waited in the network goes on, beside the new connection that says it again.
    await line.setFaults();
    expect((await acks).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 6));
    await publish(page, 26, 5);
    await hasAll(page, 30);
    await hasAll(reader, 30);
  });

  for (const stop of ["up", "down"] as const) {
    test(`a connection whose ${stop} direction alone is dead is found by its heartbeat`, async ({
      page,
      line,
    }) => {
      await open(page, line.url, lively);
      await publish(page, 1, 5);
      await line.setFaults({ stop });
      const acks = publish(page, 6, 5);
      expect((await waits(page, 1))[0]).toMatchObject({ code: "heartbeat_timeout", closeCode: 4002 });
      await line.setFaults();
      await acks;
      await hasAll(page, 10);
    });
  }

  test("a network that stands still for less than a heartbeat costs no connection", async ({
    page,
    line,
  }) => {
    await open(page, line.url);
    await publish(page, 1, 5);
    await line.freeze();
    const acks = publish(page, 6, 5);
    await page.waitForFunction(() => opened.client.metrics().publications === 10);
    await line.thaw();
    await acks;
    await hasAll(page, 10);
    expect(await waits(page)).toEqual([]);
    expect((await line.stats()).opened).toBe(1);
  });

  test("bytes that come one by one are put together again", async ({ page, line }) => {
    await line.setFaults({ up: { slice: 1 }, down: { slice: 1 } });
    await open(page, line.url);
    await publish(page, 1, 100);
    await hasAll(page, 100);
    expect(await waits(page)).toEqual([]);
  });

  test("a slow and narrow line is slow, and no reason to reconnect", async ({ page, line }) => {
    const shape = { latencyMs: 200, jitterMs: 100, bytesPerSec: 20_000 };
    await line.setFaults({ seed: 1, up: shape, down: shape });
    await open(page, line.url, { ...sockets, heartbeat: { intervalMs: 500, timeoutMs: 5_000 } });
    await publish(page, 1, 100);
    await hasAll(page, 100);
    expect(await waits(page)).toEqual([]);
    const { ackMs } = await page.evaluate(() => opened.client.metrics());
    expect(ackMs.min).toBeGreaterThanOrEqual(400);
  });
});

test.describe("s54: a client that may take any transport", () => {
  /** Until the first message is there, ms; and over what it came. */
  async function firstMessage(page: Page, url: string): Promise<{ ms: number; transport: string }> {
    return page.evaluate(
      async ([url, options]) => {
        const begun = performance.now();
        globalThis.opened = longhaul.open(url, options);
        globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
        while (recorded.log.length === 0) await new Promise(requestAnimationFrame);
        const { status } = opened.client;
        const transport = status.state === "connected" ? status.transport : status.state;
        return { ms: performance.now() - begun, transport };
      },
      [url, quick] as const,
    );
  }

  async function reload(page: Page): Promise<void> {
    await page.evaluate(() => opened.client.close());
    await page.reload();
    await page.waitForFunction(() => "longhaul" in globalThis);
  }

  async function seed(url: string): Promise<void> {
    const headers = { "content-type": "application/json" };
    await fetch(`${url}/v1/topics/t`, { method: "POST", headers, body: '{"by":"back end","n":1}' });
  }

  // Ceilings are three times and more of what a quiet machine needs: what matters is which way it takes.
  for (const [file, transport] of [
    ["nginx-no-upgrade.conf", "eventsource"],
    ["nginx-buffering.conf", "longpoll"],
  ] as const) {
    test(`${file}: it gets through by ${transport}, at once on the next load, and says why`, async ({
      page,
      hub,
      hubPort,
      keep,
    }) => {
      await seed(hub.url);
      const proxy = await keep(startNginx(file, hubPort));
      const cold = await firstMessage(page, proxy.url);
      expect(cold).toMatchObject({ transport });
      expect(cold.ms).toBeLessThan(20_000);
      await publish(page, 2, 20);
      await hasAll(page, 21);
      const { advice, tried } = await page.evaluate(() => opened.client.diagnose());
      expect(tried[0]).toMatchObject({ transport: "websocket", outcome: "blocked" });
      expect(advice).toContain(`Connected over ${transport}`);
      await reload(page);
      const warm = await firstMessage(page, proxy.url);
      expect(warm).toMatchObject({ transport });
      expect(warm.ms).toBeLessThan(5_000);
    });
  }

  test("a network that swallows WebSocket handshakes is left after a head start, and the socket taken when it lets it", async ({
    page,
    hub,
    line,
  }) => {
    await seed(hub.url);
    await line.setFaults({ http: [{ pathPrefix: "/v1/connect", action: "swallow" }] });
    const cold = await firstMessage(page, line.url);
    expect(cold).toMatchObject({ transport: "eventsource" });
    expect(cold.ms).toBeLessThan(10_000);
    await publish(page, 2, 20);
    await line.setFaults();
    await page.waitForFunction(
      () => opened.client.status.state === "connected" && opened.client.status.transport === "websocket",
      undefined,
      { timeout: 45_000 },
    );
    await publish(page, 22, 20);
    await hasAll(page, 41);
    expect(await waits(page)).toEqual([]);
  });
});
