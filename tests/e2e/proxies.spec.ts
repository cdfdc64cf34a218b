// Proxies as users set them up, with the files of docs/operations: real Chromium, the real hub,
// real proxies.

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, hasAll, open, publish, test, waits } from "./support/network.js";
import { type Between, startFaultProxy, startHaproxy, startNginx, startSquid } from "./support/proxies.js";
import { listening } from "./support/site.js";

test.describe("proxies that let WebSockets through", () => {
  const kinds: Record<string, (hubPort: number) => Promise<Between>> = {
    "nginx.conf": (hubPort) => startNginx("nginx.conf", hubPort),
    "haproxy.cfg": startHaproxy,
  };
  for (const [name, start] of Object.entries(kinds)) {
    test(`${name}: messages go both ways, and again after an outage of the proxy`, async ({
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

    test(`${name}: the hub's HTTP passes, with the methods and answers that back ends use`, async ({
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

  test("squid.conf: a browser behind it reaches the hub by CONNECT, and nothing but hubs", async ({
    browser,
    hub,
    hubPort,
    keep,
    siteUrl,
  }) => {
    const squid = await keep(startSquid(hubPort));
    const proxied = await browser.newContext({
      // The page itself comes directly, as from another server; loopback is no exception here.
      proxy: { server: squid.url, bypass: new URL(siteUrl).host },
    });
    const page = await proxied.newPage();
    await page.goto(siteUrl);
    await page.waitForFunction(() => "longhaul" in globalThis);
    await open(page, hub.url);
    await publish(page, 1, 50);
    await hasAll(page, 50);
    // Without squid there is no way, so it was really between.
    await squid.kill();
    await waits(page, 2);
    const late = publish(page, 51, 20);
    await squid.restart();
    await late;
    await hasAll(page, 70);

    // squid refuses a tunnel to another port, and the client reports a lost connection.
    const elsewhere = await keep(startFaultProxy(hubPort));
    await page.evaluate(() => opened.client.close());
    await open(page, elsewhere.url);
    expect((await waits(page, 1))[0]).toMatchObject({ code: "connection_lost", closeCode: 1006 });
    expect((await elsewhere.stats()).opened).toBe(0);
    await proxied.close();
  });
});

test.describe("event streams through proxies", () => {
  /** Serves a stream that sends one event and then stays silent until it is ended. */
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
    test(`${name}: an event arrives at once`, async ({ keep }) => {
      const upstream = await streaming();
      const proxy = await keep(start(upstream.port));
      const { body } = await fetch(`${proxy.url}/v1/events`);
      const first = await body?.getReader().read();
      expect(new TextDecoder().decode(first?.value)).toBe("data: 1\n\n");
      upstream.end();
      upstream.close();
    });
  }

  test("nginx-buffering.conf: no part of a stream arrives before its end, not even its head", async ({
    keep,
  }) => {
    const upstream = await streaming();
    const proxy = await keep(startNginx("nginx-buffering.conf", upstream.port));
    let hasCome = false;
    const events = fetch(`${proxy.url}/v1/events`).then((response) => {
      hasCome = true;
      return response.text();
    });
    // nginx has one process: before it answered these, it had passed on all that it passes at once.
    for (let i = 0; i < 20; i++) await fetch(`${proxy.url}/healthz`);
    expect(hasCome).toBe(false);
    upstream.end();
    expect(await events).toBe("data: 1\n\ndata: 2\n\n");
    upstream.close();
  });
});
