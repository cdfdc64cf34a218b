// A client with all transports, on networks that block some of them.

import type { Page } from "@playwright/test";
import { expect, hasAll, publish, quick, test, waits } from "./support/network.js";
import { startNginx } from "./support/proxies.js";

test.describe("s54: a client with all transports", () => {
  /** The time to the first message, ms, and the transport that brought it. */
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

  // The limits are more than three times what a quiet machine needs: the test is about the
  // transport.
  for (const [file, transport] of [
    ["nginx-no-upgrade.conf", "eventsource"],
    ["nginx-buffering.conf", "longpoll"],
  ] as const) {
    test(`${file}: the client connects by ${transport}, at once on the next load, and names the reason`, async ({
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

  test("the client leaves a swallowed WebSocket handshake after a head start, and takes the socket when it works", async ({
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
