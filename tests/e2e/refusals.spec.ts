// Hubs that are too busy, and other servers that answer in a hub's place: publications stay, and
// the client names what it met.

import type { Page } from "@playwright/test";
import {
  expect,
  hasAll,
  isConnected,
  isOver,
  open,
  publish,
  quick,
  test,
  timed,
  waits,
} from "./support/network.js";
import { type Rule, startFaultProxy } from "./support/proxies.js";

const streams = { ...quick, transports: ["eventsource"] } as const;

/** A hub lets pages of other origins read its refusals, and so does this server. */
const readable = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Retry-After",
};

const posts = { pathPrefix: "/v1/publish", method: "POST" };

/**
 * A hotel's network: every answer is the sign-in page, which pages of other origins may not read.
 */
const portal: Rule = { action: { answer: { status: 200, body: "<!doctype html><title>Sign in</title>" } } };

async function advice(page: Page): Promise<string> {
  return page.evaluate(async () => (await opened.client.diagnose()).advice);
}

test("s17: posts that get 503 five times are repeated until the hub accepts them, and take effect once", async ({
  page,
  line,
}) => {
  await line.setFaults({
    http: [{ ...posts, times: 5, action: { answer: { status: 503, headers: readable } } }],
  });
  await open(page, line.url, streams);
  const acks = await publish(page, 1, 5);
  expect(acks.map(({ seq, duplicate }) => [seq, duplicate])).toEqual([1, 2, 3, 4, 5].map((n) => [n, false]));
  await hasAll(page, 5);
  expect((await line.stats()).ruled).toBe(5);
  expect(await waits(page), "the stream was never in question").toEqual([]);
});

test("s17: a post that gets 429 with Retry-After 7 is repeated after seven seconds, and takes effect once", async ({
  page,
  line,
}) => {
  await line.setFaults({
    http: [
      {
        ...posts,
        times: 1,
        action: { answer: { status: 429, headers: { ...readable, "Retry-After": "7" } } },
      },
    ],
  });
  await open(page, line.url, streams);
  await isConnected(page);
  const tookMs = await timed(() => publish(page, 1, 5));
  expect(tookMs).toBeGreaterThanOrEqual(7_000);
  expect(tookMs).toBeLessThan(15_000);
  // Publications made meanwhile wait as well, in order.
  await hasAll(page, 5);
  expect((await line.stats()).ruled).toBe(1);
});

test("s18: 200 with HTML is no verdict: the row stays until a hub answers", async ({ page, line }) => {
  await line.setFaults({
    http: [
      { ...posts, times: 3, action: { answer: { status: 200, headers: readable, body: "<p>Sign in" } } },
    ],
  });
  await open(page, line.url, streams);
  const acks = await publish(page, 1, 5);
  expect(acks.map(({ duplicate }) => duplicate)).toEqual([false, false, false, false, false]);
  await hasAll(page, 5);
  expect((await line.stats()).ruled).toBe(3);
});

test("s18: the client names a captive portal, loses nothing, and continues by itself when it is gone", async ({
  page,
  line,
}) => {
  await open(page, line.url, quick);
  await publish(page, 1, 5);
  await line.setFaults({ http: [portal] });
  await line.cut();
  await waits(page, 8);
  const acks = publish(page, 6, 5);
  expect(await advice(page)).toContain("captive portal");
  await expect.poll(() => page.evaluate(() => opened.client.metrics().outboxRows)).toBe(5);
  await line.setFaults();
  expect((await acks).map(({ seq }) => seq)).toEqual([6, 7, 8, 9, 10]);
  await hasAll(page, 10);
});

test("s18: also with a portal from the start; afterwards the client finds the best transport", async ({
  page,
  line,
}) => {
  await line.setFaults({ http: [portal] });
  await open(page, line.url, quick);
  await waits(page, 2);
  expect(await advice(page)).toContain("captive portal");
  await line.setFaults();
  await publish(page, 1, 5);
  await isOver(page, "websocket");
  await hasAll(page, 5);
});

test("the client waits for a hub that is slow to accept", async ({ page, line }) => {
  await line.setFaults({ acceptAfterMs: 2_500 });
  await open(page, line.url, { ...quick, transports: ["websocket"] });
  await publish(page, 1, 5);
  await hasAll(page, 5);
  expect(await waits(page)).toEqual([]);
  expect((await line.stats()).opened).toBe(1);
});

test("a page of the internet with a hub on the local network hears of the browser's permission", async ({
  page,
  siteUrl,
  hubPort,
  keep,
}) => {
  const nobody = await keep(startFaultProxy(hubPort));
  await nobody.setFaults({ accept: "reset" });
  await page.route("http://app.example.com/**", async (route) => {
    const { pathname } = new URL(route.request().url());
    await route.fulfill({ response: await route.fetch({ url: new URL(pathname, siteUrl).href }) });
  });
  await page.goto("http://app.example.com/");
  await page.waitForFunction(() => "longhaul" in globalThis);
  await open(page, nobody.url, quick);
  await waits(page, 1);
  expect(await advice(page)).toContain("local network");
});
