// Diagnoses of faults on this side of the network: policies, mixed content, the address, the
// package's own files.

import type { Page } from "@playwright/test";
import { nobody } from "./support/fake-hub.js";
import { expect, quick, test } from "./support/fixtures.js";

const advice = (page: Page): Promise<string> =>
  page.evaluate(async () => (await opened.client.diagnose()).advice);

const reaches = (page: Page, state: "connected" | "waiting" | "closed") =>
  page.evaluate((state) => longhaul.reaches(opened.client, state), state);

/** Adds a policy to that of the page; both must allow a request. */
const forbid = (page: Page, policy: string): Promise<void> =>
  page.evaluate((policy) => {
    const meta = document.createElement("meta");
    meta.httpEquiv = "Content-Security-Policy";
    meta.content = policy;
    document.head.append(meta);
  }, policy);

const open = (page: Page, url: string): Promise<void> =>
  page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
    },
    [url, quick] as const,
  );

test("f14: a WebSocket that the page's policy forbids costs no head start, and no topic waits for it", async ({
  hub,
  page,
}) => {
  await forbid(page, "connect-src 'self' http:");
  await open(page, hub.url);
  expect(await reaches(page, "connected")).toMatchObject({ transport: "eventsource" });
  const { tried } = await page.evaluate(() => opened.client.diagnose());
  expect(tried[0]).toMatchObject({ transport: "websocket", outcome: "blocked" });
  for (const topic of ["a", "b"]) {
    await page.evaluate(async (topic) => {
      globalThis.recorded = longhaul.record(opened.client, topic, { from: "start" });
      await longhaul.publishMany(opened.client, topic, 1, 3, "me");
    }, topic);
    await page.waitForFunction(() => recorded.log.length === 3);
  }
});

test("f20: diagnose names a policy that forbids the WebSocket, or all of the hub", async ({ hub, page }) => {
  await forbid(page, "connect-src 'self' http:");
  await open(page, hub.url);
  await reaches(page, "connected");
  const { host } = new URL(hub.url);
  expect(await advice(page)).toContain(`Content-Security-Policy forbids ws://${host}:`);
  await forbid(page, "connect-src 'self'");
  await page.evaluate(() => opened.client.reconnect());
  await reaches(page, "waiting");
  expect(await advice(page)).toContain(`forbids ws://${host} and http://${host}:`);
});

test("f20: diagnose names an https address of a hub that speaks http", async ({ hub, page }) => {
  await open(page, hub.url.replace("http:", "https:"));
  await reaches(page, "waiting");
  expect(await advice(page)).toContain("wrong scheme");
});

test("f20: diagnose names mixed content when a secure page uses an insecure hub", async ({
  page,
  siteUrl,
}) => {
  await page.route("https://app.test/**", async (route) => {
    const { pathname } = new URL(route.request().url());
    const response = await route.fetch({ url: new URL(pathname, siteUrl).href });
    const headers = { ...response.headers(), "content-security-policy": "" };
    await route.fulfill({ response, headers });
  });
  await page.goto("https://app.test/");
  await page.waitForFunction(() => "longhaul" in globalThis);
  await open(page, "http://hub.test/");
  await reaches(page, "waiting");
  expect(await advice(page)).toContain("The page is secure (https)");
});

test("f20: diagnose blames no proxy when the client is closed or has no wasm", async ({ hub, page }) => {
  await open(page, hub.url);
  await reaches(page, "connected");
  await page.evaluate(() => opened.client.close());
  expect(await advice(page)).toContain("the page called close()");
  const url = await nobody();
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  await page.evaluate(
    ([hub, wasm]) => {
      globalThis.opened = longhaul.open(hub, { wasm });
    },
    [hub.url, `${url}/gone.wasm`] as const,
  );
  await page.waitForFunction(() => "reason" in opened.client.status);
  expect(await advice(page)).toContain("could not be loaded");
});
