// Proxies that let no WebSocket through, and networks that let nothing through: the client waits,
// names the reason and tries again.

import { expect, hasAll, open, publish, test, waits } from "./support/network.js";
import { type FaultProxy, type Rule, startNginx } from "./support/proxies.js";

test.describe("proxies that do not", () => {
  for (const file of ["nginx-no-upgrade.conf", "nginx-buffering.conf"] as const) {
    test(`${file}: the client waits, names the reason and tries again; other requests pass`, async ({
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

  test("c32: each stripped subprotocol is a failed attempt", async ({ page, line }) => {
    await line.setFaults({ http: [{ upgrade: true, action: "stripSubprotocol" }] });
    await open(page, line.url);
    for (const { closeCode } of await waits(page, 3)) {
      // Chromium fails such a handshake by itself; in other browsers the client closes with 4005.
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
    test(`the client gives up on ${name} after ten seconds with open_timeout, and tries again`, async ({
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

  test("the client reports connections that are reset at once as lost, and tries again", async ({
    page,
    line,
  }) => {
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
