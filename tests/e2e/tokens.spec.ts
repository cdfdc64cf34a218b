// Tokens in a real page, with a gate that requires them and the real hub behind it.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { nobody } from "./support/fake-hub.js";
import { quick } from "./support/fixtures.js";
import type { Gatekeeper } from "./support/gatekeeper.js";
import { expect, test } from "./support/guarded.js";

const transports: readonly api.TransportName[] = ["websocket", "eventsource", "longpoll"];

/** Opens a client whose token function asks the gate, as an app would ask its back end. */
async function open(page: Page, gate: Gatekeeper, options: api.Options = {}): Promise<void> {
  await page.evaluate(
    ([url, tokenUrl, options]) => {
      globalThis.opened = longhaul.open(url, { ...options, token: longhaul.tokenFrom(tokenUrl) });
      globalThis.recorded = longhaul.record(opened.client, "a", { from: "start" });
    },
    [gate.url, gate.tokenUrl, { ...quick, ...options }] as const,
  );
}

const reaches = (page: Page, state: api.Status["state"]): Promise<api.Status> =>
  page.evaluate((state) => longhaul.reaches(opened.client, state), state);

const publish = (page: Page, from: number): Promise<api.Ack[]> =>
  page.evaluate((from) => longhaul.publishMany(opened.client, "a", from, 3, "me"), from);

const received = async (page: Page, count: number): Promise<number[]> => {
  await page.waitForFunction((count) => recorded.log.length >= count, count);
  return page.evaluate(() => recorded.log.map(({ data }) => data.n));
};

for (const transport of transports) {
  test(`${transport}: every request shows the token, and a revoked one is replaced once`, async ({
    gate,
    page,
  }) => {
    await open(page, gate, { transports: [transport] });
    await reaches(page, "connected");
    await publish(page, 1);
    expect(await received(page, 3)).toEqual([1, 2, 3]);
    expect(gate.calls()).toBe(1);
    gate.revoke();
    await publish(page, 4);
    expect(await received(page, 6)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(gate.calls()).toBe(2);
    expect(await reaches(page, "connected")).toMatchObject({ transport });
    const states = await page.evaluate(() => opened.statuses.map(({ state }) => state));
    expect(states).not.toContain("unauthorized");
    const ways = new Set(gate.shown().map(({ way }) => way));
    if (transport === "websocket") expect([...ways]).toEqual(["hello"]);
    else expect(ways).toContain("/v1/publish");
    for (const way of ways) expect(way).not.toContain("token");
  });

  test(`c9: ${transport}: the client renews a token in time, without a moment offline`, async ({
    gate,
    page,
  }) => {
    gate.give("good", 4_000);
    await open(page, gate, { transports: [transport] });
    await reaches(page, "connected");
    gate.give("good");
    await expect.poll(() => new Set(gate.shown().map(({ token }) => token)).size).toBe(2);
    await publish(page, 1);
    expect(await received(page, 3)).toEqual([1, 2, 3]);
    const seen = await page.evaluate(() => ({
      states: opened.statuses.map(({ state }) => state),
      reconnects: opened.client.metrics().reconnects,
    }));
    expect(seen).toEqual({ states: expect.not.arrayContaining(["waiting"]), reconnects: 0 });
    if (transport === "websocket") expect(gate.shown().at(-1)?.way).toBe("auth");
  });
}

test("s56: after two refusals the client says so, keeps the rows, and continues after the login", async ({
  gate,
  page,
}) => {
  await open(page, gate);
  await reaches(page, "connected");
  gate.give("useless");
  gate.revoke();
  const status = await reaches(page, "unauthorized");
  expect(status).toMatchObject({ reason: { code: "unauthorized", closeCode: 4401 } });
  expect(gate.calls()).toBe(2);
  await page.evaluate(async () => {
    for (let n = 1; n <= 3; n++) await opened.client.topic("a").publish({ by: "me", n });
  });
  const advice = await page.evaluate(async () => (await opened.client.diagnose()).advice);
  expect(advice).toContain("token");
  expect(gate.calls(), "diagnosing asks for no token").toBe(2);
  gate.give("good");
  await page.evaluate(() => opened.client.reconnect());
  expect(await received(page, 3)).toEqual([1, 2, 3]);
  // Messages may come before the acks.
  await page.waitForFunction(() => opened.client.metrics().outboxRows === 0);
  expect(await page.evaluate(() => opened.client.metrics().deadLetters)).toBe(0);
});

test("s56: the client reports a token endpoint that is down, and waits for it without flooding it", async ({
  gate,
  page,
}) => {
  gate.give("nothing");
  await open(page, gate);
  const status = await reaches(page, "waiting");
  expect(status).toMatchObject({ reason: { code: "token_unavailable", closeCode: 4012 } });
  expect((status as { retryAtMs: number }).retryAtMs - Date.now()).toBeGreaterThan(20_000);
  expect(gate.calls()).toBe(1);
  expect(await page.evaluate(() => opened.errors.map(({ code }) => code))).toEqual(["token_unavailable"]);
  gate.give("good");
  await page.evaluate(() => opened.client.reconnect());
  await reaches(page, "connected");
  await publish(page, 1);
});

test("f13: without a network no failure of the token function makes the client unauthorized", async ({
  page,
}) => {
  const url = await nobody();
  const seen = await page.evaluate(async (url) => {
    const ends: Record<string, () => Promise<string>> = {
      fetch: async () => (await fetch(`${url}/token`)).text(),
      "an error of its own": async () => {
        throw new Error("no session");
      },
      nothing: async () => "",
    };
    const states: Record<string, string[]> = {};
    for (const [name, token] of Object.entries(ends)) {
      const { client, statuses, errors } = longhaul.open(url, { token });
      for (let calls = 1; calls <= 3; calls++) {
        while (errors.length < calls) await new Promise(requestAnimationFrame);
        await longhaul.reaches(client, "waiting");
        client.reconnect();
      }
      states[name] = [...new Set(statuses.map(({ state }) => state))];
      await client.close();
    }
    return states;
  }, url);
  for (const states of Object.values(seen)) expect(states).not.toContain("unauthorized");
  expect(Object.keys(seen)).toHaveLength(3);
});

test("f13: a token function that rejects twice makes the client unauthorized if the hub is there", async ({
  gate,
  page,
}) => {
  await page.evaluate((url) => {
    globalThis.opened = longhaul.open(url, {
      token: () => {
        throw new Error("no session");
      },
    });
  }, gate.url);
  await reaches(page, "waiting");
  await page.evaluate(() => opened.client.reconnect());
  expect(await reaches(page, "unauthorized")).toMatchObject({ reason: { code: "token_unavailable" } });
});

test("f13: reconnect() calls a hanging token function again", async ({ gate, page }) => {
  await page.evaluate(
    ([url, tokenUrl]) => {
      const give = longhaul.tokenFrom(tokenUrl);
      return new Promise<void>((called) => {
        let calls = 0;
        const token = (): Promise<string> => {
          called();
          return ++calls === 1 ? new Promise(() => {}) : give();
        };
        globalThis.opened = longhaul.open(url, { token });
      });
    },
    [gate.url, gate.tokenUrl] as const,
  );
  await page.evaluate(() => opened.client.reconnect());
  await reaches(page, "connected");
});

test("the client shows a string token, and stops showing it once the hub refuses it", async ({
  gate,
  page,
}) => {
  const token = await (await fetch(gate.tokenUrl)).text();
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
    },
    [gate.url, { ...quick, token }] as const,
  );
  await reaches(page, "connected");
  gate.revoke();
  const status = await reaches(page, "unauthorized");
  expect(status).toMatchObject({ reason: { code: "unauthorized" } });
  const [error] = await page.evaluate(() => opened.errors);
  expect(error).toMatchObject({ code: "token_unavailable" });
});

test("connect rejects a value that is no token, and onError reports one from a function", async ({
  gate,
  page,
}) => {
  const seen = await page.evaluate(async (url) => {
    const codes: string[] = [];
    for (const token of ["", "two words", "x".repeat(8_193), "ü", 7]) {
      try {
        longhaul.connect(url, { token: token as string });
      } catch (error) {
        codes.push((error as api.LonghaulError).code);
      }
    }
    const { client, errors } = longhaul.open(url, { token: () => "two words" });
    await longhaul.reaches(client, "waiting");
    await client.close();
    return { codes, errors: errors.map(({ code }) => code) };
  }, gate.url);
  expect(seen.codes).toEqual(Array.from({ length: 5 }, () => "option_invalid"));
  expect(seen.errors).toEqual(["token_unavailable"]);
});
