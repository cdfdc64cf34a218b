// longhaul/testing in a real browser: the hub runs in the page, and the only server serves files.

import { test as base, expect } from "@playwright/test";
import type * as api from "longhaul";
import type * as testing from "longhaul/testing";
import { serveSite } from "./support/site.js";

declare global {
  var playground: { hub: testing.TestHub; browser: testing.TestBrowser; connect: typeof api.connect };
}

const test = base.extend<{ asked: string[] }>({
  asked: async ({ page }, use) => {
    const site = await serveSite("apps/playground");
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    page.on("websocket", (socket) => asked.push(socket.url()));
    await page.goto(site.url);
    await page.waitForFunction(() => "playground" in globalThis);
    await use(asked);
    site.close();
  },
});

for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
  test(`a page has its own hub, over ${transport}, and survives a cut`, async ({ page, asked }) => {
    const seen = await page.evaluate(async (transport) => {
      const { hub, browser, connect } = globalThis.playground;
      const client = connect(hub.url, { transports: [transport], backoff: { baseMs: 20, capMs: 40 } });
      const got: unknown[] = [];
      const gaps: unknown[] = [];
      const options = { from: "start", onGap: (gap: unknown) => gaps.push(gap) } as const;
      const until = (n: number): Promise<void> =>
        new Promise((resolve) => {
          const stop = client.topic("a").subscribe(({ data }) => {
            got.push(data);
            if (got.length < n) return;
            stop();
            resolve();
          }, options);
        });
      const three = until(3);
      hub.publish("a", "of a back end");
      await (await client.topic("a").publish("of the page")).acked;
      browser.line.cut();
      await (await client.topic("a").publish("after a cut")).acked;
      await three;
      const plan = client.document<{ n: number }>("plan");
      const followed = new Promise<void>((resolve) => {
        plan.subscribe((value) => value?.n === 2 && resolve());
      });
      hub.merge("plan", { n: 1 });
      await plan.merge({ n: 2 });
      await followed;
      await client.outbox.flush();
      await client.close();
      return { got, gaps, plan: hub.document("plan"), connections: hub.connections };
    }, transport);
    expect(seen.got).toEqual(["of a back end", "of the page", "after a cut"]);
    expect(seen.gaps).toEqual([]);
    expect(seen.plan).toEqual({ n: 2 });
    expect(asked.filter((path) => !/^\/($|page\.js$|longhaul\/[\w.]+$)/.test(path))).toEqual([]);
  });
}
