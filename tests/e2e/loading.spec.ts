// Loading is an attempt like any other: the client repeats a failed download, and then runs the
// calls made meanwhile in order.

import type { Page, Route } from "@playwright/test";
import type * as api from "longhaul";
import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";

/** A backoff so long that no attempt repeats by itself within a test. */
const slow = { backoff: { baseMs: 60_000, capMs: 60_000, jitter: "none" } } satisfies api.Options;

type Answer = (route: Route) => Promise<void>;

const unavailable: Answer = (route) => route.fulfill({ status: 503, body: "deploying" });
const noNetwork: Answer = (route) => route.abort("internetdisconnected");
const portal: Answer = (route) =>
  route.fulfill({ status: 200, contentType: "text/html", body: "<h1>Sign in to this network</h1>" });

/**
 * Answers the first requests for a file with these, and later ones as usual. Returns the requested
 * addresses.
 */
async function answer(page: Page, file: string, answers: readonly Answer[]): Promise<string[]> {
  const asked: string[] = [];
  await page.route(
    (url) => url.pathname === `/longhaul/${file}`,
    async (route) => {
      const first = answers[asked.length];
      asked.push(route.request().url());
      await (first === undefined ? route.continue() : first(route));
    },
  );
  return asked;
}

/** Opens a client, publishes n = 1, 2, 3 and listens, all before the wasm is loaded. */
async function openEarly(page: Page, url: string, options: api.Options): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      globalThis.recorded = longhaul.record(opened.client, "t");
      for (const n of [1, 2, 3])
        opened.client
          .topic("t")
          .publish({ by: "page", n })
          .catch(() => {});
    },
    [url, options] as const,
  );
}

async function areThere(page: Page): Promise<void> {
  await page.waitForFunction(() => recorded.log.length === 3);
  expect(await page.evaluate(() => recorded.log.map(({ data }) => data.n))).toEqual([1, 2, 3]);
}

test("f05: a client whose wasm fails twice connects at the third attempt, and sends the earlier publications", async ({
  hub,
  page,
}) => {
  const asked = await answer(page, "longhaul_bg.wasm", [unavailable, unavailable]);
  await openEarly(page, hub.url, quick);
  await areThere(page);
  const { statuses, errors } = await page.evaluate(() => opened);
  expect(statuses.map(({ state }) => state)).toEqual([
    "waiting",
    "connecting",
    "waiting",
    "connecting",
    "connecting",
    "connected",
  ]);
  expect(statuses[0]).toMatchObject({ attempt: 2, reason: { code: "wasm_load_failed" } });
  expect(errors).toEqual([]);
  expect(asked).toHaveLength(3);
});

for (const [what, act] of [
  ["reconnect()", () => opened.client.reconnect()],
  ["the return of the network", () => void dispatchEvent(new Event("online"))],
] as const) {
  test(`f05: ${what} loads the wasm at once, whatever the backoff`, async ({ hub, page }) => {
    await answer(page, "longhaul_bg.wasm", [noNetwork]);
    await openEarly(page, hub.url, slow);
    await page.waitForFunction(() => opened.client.status.state === "waiting");
    await page.evaluate(act);
    await areThere(page);
  });
}

for (const [file, other] of [
  ["longhaul_bg.wasm", "longhaul_documents_bg.wasm"],
  ["longhaul_documents_bg.wasm", "longhaul_bg.wasm"],
] as const) {
  test(`f05: another version's ${file} is downloaded again until it fits`, async ({ hub, page, siteUrl }) => {
    const wrong: Answer = async (route) => {
      const response = await page.request.get(new URL(`/longhaul/${other}`, siteUrl).href);
      await route.fulfill({ status: 200, contentType: "application/wasm", body: await response.body() });
    };
    const asked = await answer(page, file, [wrong, wrong]);
    await openEarly(page, hub.url, quick);
    await page.evaluate(() => void opened.client.document("board").subscribe(() => {}));
    await areThere(page);
    await page.waitForFunction(() => opened.client.document("board").seq >= 0);
    expect(asked).toHaveLength(3);
  });
}

test("f05: without a network the client is offline, and loads when the network is back", async ({
  hub,
  page,
  context,
}) => {
  await context.setOffline(true);
  await openEarly(page, hub.url, slow);
  await page.waitForFunction(() => opened.client.status.state === "offline");
  await context.setOffline(false);
  await areThere(page);
});

test("f05: the client reports a captive portal's page in place of the wasm once, and keeps trying", async ({
  hub,
  page,
}) => {
  await answer(page, "longhaul_bg.wasm", [portal, portal, portal, portal]);
  await openEarly(page, hub.url, quick);
  await areThere(page);
  expect(await page.evaluate(() => opened.errors.map(({ code }) => code))).toEqual(["wasm_load_failed"]);
});

for (const [what, policy] of [
  ["wasm", "script-src 'self' 'unsafe-inline'"],
  ["the download", "connect-src 'none'"],
]) {
  test(`f05: a policy that forbids ${what} ends the client at once, and the error says so`, async ({
    hub,
    page,
    siteUrl,
  }) => {
    await page.route(siteUrl, async (route) => {
      const response = await route.fetch();
      const headers = { ...response.headers(), "content-security-policy": policy ?? "" };
      await route.fulfill({ response, headers });
    });
    await page.reload();
    await page.waitForFunction(() => "longhaul" in globalThis);
    await openEarly(page, hub.url, quick);
    const end = await page.evaluate(async () => {
      const status = await longhaul.reaches(opened.client, "closed");
      const code = await opened.client
        .topic("t")
        .publish(4)
        .catch((error: api.LonghaulError) => error.code);
      return { status, errors: opened.errors.map(({ code }) => code), code };
    });
    expect(end).toMatchObject({
      status: { reason: { code: "wasm_load_failed" } },
      errors: ["wasm_load_failed"],
      code: "wasm_load_failed",
    });
  });
}

test("f05: a client that is closed while it waits for its wasm requests nothing more", async ({
  hub,
  page,
}) => {
  const asked = await answer(page, "longhaul_bg.wasm", [unavailable]);
  const codes = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, options);
      const codeOf = ({ code }: api.LonghaulError) => code;
      const calls = [client.topic("t").publish(1), client.outbox.rows()].map((call) => call.catch(codeOf));
      await longhaul.reaches(client, "waiting");
      await client.close();
      dispatchEvent(new Event("online"));
      client.reconnect();
      return Promise.all(calls);
    },
    [hub.url, slow] as const,
  );
  expect(codes).toEqual(["closed", "closed"]);
  expect(asked).toHaveLength(1);
});

test("f05: without its wasm a client rejects flush and wipe at once, and the wipe withdraws waiting publications", async ({
  hub,
  page,
}) => {
  await answer(page, "longhaul_bg.wasm", [noNetwork, noNetwork, noNetwork]);
  const codes = await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      const { client } = opened;
      const codeOf = ({ code }: api.LonghaulError) => code;
      const early = client.topic("t").publish({ by: "page", n: 1 }).catch(codeOf);
      await longhaul.reaches(client, "waiting");
      const flushed = await client.outbox.flush().catch(codeOf);
      const wiped = await client.outbox.wipe().catch(codeOf);
      void client.topic("t").publish({ by: "page", n: 2 });
      client.reconnect();
      return [flushed, wiped, await early];
    },
    [hub.url, slow] as const,
  );
  expect(codes).toEqual(["not_flushed", "storage_unavailable", "wiped"]);
  await expect
    .poll(async () => (await hubEntries<{ n: number }>(hub, "t")).map(({ data }) => data.n))
    .toEqual([2]);
});

test("f05: publications that wait for the wasm have the outbox's limit", async ({ hub, page }) => {
  await answer(page, "longhaul_bg.wasm", [unavailable]);
  const codes = await page.evaluate(
    async ([url, options]) => {
      const { client } = longhaul.open(url, { ...options, outbox: { rowsMax: 2 } });
      const calls = [1, 2, 3].map((n) =>
        client
          .topic("t")
          .publish(n)
          .then(({ durable }) => durable)
          .catch(({ code }) => code),
      );
      const last = await calls[2];
      client.reconnect();
      return [last, ...(await Promise.all(calls.slice(0, 2)))];
    },
    [hub.url, quick] as const,
  );
  expect(codes).toEqual(["outbox_full", true, true]);
});

for (const file of ["documents.js", "longhaul_documents_bg.wasm"]) {
  test(`f05: a document shows once ${file} is loaded, after two failures`, async ({ hub, page }) => {
    const asked = await answer(page, file, [unavailable, unavailable]);
    const value = await page.evaluate(
      async ([url, options]) => {
        globalThis.opened = longhaul.open(url, options);
        const document = opened.client.document<{ n: number }>("d");
        const values: unknown[] = [];
        document.subscribe((value) => values.push(value));
        void document.merge({ n: 1 });
        while (document.value?.n !== 1 || document.pending > 0) await new Promise(requestAnimationFrame);
        return { value: document.value, last: values.at(-1) };
      },
      [hub.url, quick] as const,
    );
    expect(value).toEqual({ value: { n: 1 }, last: { n: 1 } });
    expect(asked.length).toBeGreaterThan(2);
    expect(await page.evaluate(() => opened.errors)).toEqual([]);
  });
}

test("f05: documents that load very late start with the hub's value and the own changes since", async ({
  hub,
  page,
}) => {
  await answer(page, "documents.js", [noNetwork, noNetwork]);
  const value = await page.evaluate(
    async ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      const { client } = opened;
      const document = client.document<Record<string, number>>("d");
      document.subscribe(() => {});
      await longhaul.reaches(client, "connected");
      // More than the client keeps for a document whose code is missing.
      for (let n = 0; n < 1_500; n++) await (await document.merge({ [`k${n % 10}`]: n })).acked;
      client.reconnect();
      await new Promise(requestAnimationFrame);
      client.reconnect();
      const isWhole = () => document.value?.["k9"] === 1_499 && document.pending === 0;
      while (!isWhole()) {
        client.reconnect();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return document.value;
    },
    [hub.url, slow] as const,
  );
  expect(value).toEqual(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`k${i}`, 1_490 + i])));
  expect(await page.evaluate(() => opened.errors)).toEqual([]);
});

test("an old page whose late files a deploy has removed asks for a reload, and keeps publishing", async ({
  hub,
  page,
}) => {
  const gone: Answer = (route) => route.fulfill({ status: 404, body: "not found" });
  await page.route(
    (url) => url.pathname === "/longhaul/documents.js",
    (route) => gone(route),
  );
  await openEarly(page, hub.url, quick);
  await areThere(page);
  await page.evaluate(() => void opened.client.document("board").subscribe(() => {}));
  await page.waitForFunction(() => opened.errors.length > 0);
  expect(await page.evaluate(() => opened.errors.map(({ code }) => code))).toEqual(["reload_required"]);
  await page.evaluate(async () => {
    const { acked } = await opened.client.topic("t").publish({ by: "page", n: 4 });
    await acked;
  });
  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1, 2, 3, 4]);
});
