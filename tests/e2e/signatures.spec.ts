// Signed messages (rules V1 to V4): only holders of the topic's key are believed, and the order
// stays.

import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { fakeHub } from "./support/fake-hub.js";
import { expect, quick, test } from "./support/fixtures.js";

const key = [...randomBytes(32)];
const otherKey = [...randomBytes(32)];

/** The message that a back end posts by rule V2, made without the package. */
function seal(topic: string, text: string, by = key): string {
  const hmac = createHmac("sha256", Buffer.from(by)).update(`${topic}\n${text}`).digest("base64");
  return JSON.stringify({ hmac, signed: text });
}

async function post(url: string, topic: string, payload: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/topics/${topic}`, { method: "POST", headers, body: payload });
  expect(answer.status).toBe(200);
}

/** Records the messages and gaps that a key holder receives. */
async function follow(
  page: Page,
  url: string,
  options: api.SubscribeOptions = { from: "start" },
): Promise<void> {
  await page.evaluate(
    async ([url, options, key, quick]) => {
      globalThis.opened = longhaul.open(url, quick);
      const topic = longhaul.signed(opened.client.topic("t"), new Uint8Array(key));
      const log: unknown[] = [];
      const stop = topic.subscribe((message) => log.push(message), {
        ...options,
        onGap: (gap) => log.push({ gap }),
      });
      globalThis.recorded = { log: log as typeof recorded.log, stop };
      await longhaul.reaches(opened.client, "connected");
    },
    [url, options, key, quick] as const,
  );
}

/** The data, or the first seq and the reason of a gap. */
function log(page: Page): Promise<unknown[]> {
  return page.evaluate(() =>
    recorded.log.map(({ data, gap }) => (gap ? `${gap.fromSeq}-${gap.toSeq} ${gap.reason}` : data)),
  );
}

async function has(page: Page, entries: number): Promise<void> {
  await page.waitForFunction((entries) => recorded.log.length >= entries, entries);
}

/** Delays verifications until `verifications` is opened, and counts those that have begun. */
async function holdVerifications(page: Page): Promise<void> {
  await page.evaluate(() => {
    const native = crypto.subtle.verify.bind(crypto.subtle);
    const held = { begun: 0, open: () => {} };
    const opened = new Promise<void>((resolve) => {
      held.open = resolve;
    });
    crypto.subtle.verify = (...args) => {
      held.begun++;
      return opened.then(() => native(...args));
    };
    Object.assign(globalThis, { verifications: held });
  });
}

const begun = (page: Page, least: number) =>
  page.waitForFunction(
    (least) => (globalThis as unknown as { verifications: { begun: number } }).verifications.begun >= least,
    least,
  );

const release = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { verifications: { open(): void } }).verifications.open());

test("v1: messages that a page and a back end sign arrive as published, and other readers see them sealed", async ({
  hub,
  page,
  newPage,
}) => {
  const other = await newPage();
  await other.evaluate((url) => {
    globalThis.opened = longhaul.open(url);
    globalThis.recorded = longhaul.record(opened.client, "t", { from: "start" });
  }, hub.url);
  await follow(page, hub.url);
  const acked = await page.evaluate(async (key) => {
    const raw = new Uint8Array(key);
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign", "verify"]);
    const topic = longhaul.signed(opened.client.topic("t"), imported);
    return (await topic.publish({ n: 1, text: 'é\n"' })).acked;
  }, key);
  expect(acked.seq).toBe(1);
  await post(hub.url, "t", seal("t", '{"n": 2.0}'));
  await has(page, 2);
  expect(await log(page)).toEqual([{ n: 1, text: 'é\n"' }, { n: 2 }]);
  await has(other, 2);
  expect(await log(other)).toEqual([
    JSON.parse(seal("t", JSON.stringify({ n: 1, text: 'é\n"' }))),
    JSON.parse(seal("t", '{"n": 2.0}')),
  ]);
});

test("v2: the key, topic and text of docs/protocol.md have the signature given there", async ({
  hub,
  page,
}) => {
  const bytes = Array.from({ length: 32 }, (_, i) => i);
  const protocol = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const written = /With the key of bytes 0 to 31[\s\S]*? it is `([^`]+)`/.exec(protocol)?.[1];
  await page.evaluate(
    async ([url, bytes]) => {
      const topic = longhaul.open(url).client.topic("demo/board");
      await (await longhaul.signed(topic, new Uint8Array(bytes)).publish({ n: 1 })).acked;
    },
    [hub.url, bytes] as const,
  );
  await post(hub.url, "demo/board", seal("demo/board", '{"n":1}', bytes));
  const answer = await fetch(`${hub.url}/v1/topics/demo/board?from=1`);
  const { entries } = (await answer.json()) as { entries: { data: unknown }[] };
  const sealed = { hmac: written, signed: '{"n":1}' };
  expect(entries.map(({ data }) => data)).toEqual([sealed, sealed]);
});

test("v3: a message that is changed, unsigned, or of another topic or key is reported as a gap, and not delivered", async ({
  hub,
  page,
}) => {
  const good = (n: number) => seal("t", `{"n":${n}}`);
  const payloads = [
    good(1),
    good(2).replace('\\"n\\":2', '\\"n\\":9'),
    '{"n":9}',
    "null",
    seal("other", '{"n":9}'),
    seal("t", '{"n":9}', otherKey),
    good(9).replace(/"hmac":"[^"]+"/, '"hmac":"?"'),
    seal("t", "{n:9}"),
    good(3),
  ];
  for (const payload of payloads) await post(hub.url, "t", payload);
  await follow(page, hub.url);
  await has(page, payloads.length);
  const refused = [2, 3, 4, 5, 6, 7, 8];
  expect(await log(page)).toEqual([
    { n: 1 },
    ...refused.map((seq) => `${seq}-${seq} signature_invalid`),
    { n: 3 },
  ]);
  const errors = await page.evaluate(() => opened.errors);
  expect(errors.map(({ code }) => code)).toEqual(refused.map(() => "signature_invalid"));
  for (const [i, seq] of refused.entries()) {
    expect(errors[i]?.message).toContain(`message ${seq} of t is not delivered`);
  }
});

test("v4: messages and gaps stay in order, whichever verification ends first", async ({ hub, page }) => {
  await page.evaluate(() => {
    const native = crypto.subtle.verify.bind(crypto.subtle);
    let first: (() => void) | undefined;
    let calls = 0;
    crypto.subtle.verify = async (...args) => {
      calls++;
      // The first verification waits for the last.
      if (calls === 1) await new Promise<void>((resolve) => (first = resolve));
      const isValid = await native(...args);
      if (calls === 20) first?.();
      return isValid;
    };
  });
  for (let n = 1; n <= 20; n++) await post(hub.url, "t", seal("t", `${n}`, n === 7 ? otherKey : key));
  await follow(page, hub.url);
  await has(page, 20);
  const expected = Array.from({ length: 20 }, (_, i) => (i === 6 ? "7-7 signature_invalid" : i + 1));
  expect(await log(page)).toEqual(expected);
});

test("v4: publications stay in order, whichever is signed first", async ({ hub, page }) => {
  await follow(page, hub.url);
  await page.evaluate(async (key) => {
    const native = crypto.subtle.sign.bind(crypto.subtle);
    let first: (() => void) | undefined;
    let calls = 0;
    crypto.subtle.sign = async (...args) => {
      calls++;
      if (calls === 1) await new Promise<void>((resolve) => (first = resolve));
      const signature = await native(...args);
      if (calls === 5) first?.();
      return signature;
    };
    const topic = longhaul.signed(opened.client.topic<number>("t"), new Uint8Array(key));
    await Promise.all([1, 2, 3, 4, 5].map((n) => topic.publish(n)));
  }, key);
  await has(page, 5);
  expect(await log(page)).toEqual([1, 2, 3, 4, 5]);
});

for (const [name, end] of Object.entries({
  unsubscribed: (): void => recorded.stop(),
  "closed by its client": (): void => void opened.client.close(),
})) {
  test(`the client delivers nothing that it verifies after the subscription was ${name}`, async ({
    hub,
    page,
  }) => {
    await holdVerifications(page);
    await post(hub.url, "t", seal("t", "1"));
    await follow(page, hub.url);
    await begun(page, 1);
    await page.evaluate(end);
    await release(page);
    // Another key holder's message takes the same way as the last one.
    await page.evaluate(
      async ([url, key]) => {
        const { client } = longhaul.open(url);
        const topic = longhaul.signed(client.topic("t"), new Uint8Array(key));
        for await (const { data } of topic.messages({ from: "start" })) if (data === 1) break;
        await client.close();
      },
      [hub.url, key] as const,
    );
    expect(await log(page)).toEqual([]);
  });
}

test("a listener that throws is reported and affects no other", async ({ hub, page }) => {
  for (const text of ["1", "2"]) await post(hub.url, "t", seal("t", text));
  const errors = await page.evaluate(
    async ([url, key]) => {
      const { client, errors } = longhaul.open(url);
      const topic = longhaul.signed(client.topic<number>("t"), new Uint8Array(key));
      await new Promise<void>((resolve) => {
        topic.subscribe(
          ({ data }) => {
            if (data === 2) resolve();
            throw new Error(`no ${data}`);
          },
          { from: "start" },
        );
      });
      await new Promise(requestAnimationFrame);
      return errors;
    },
    [hub.url, key] as const,
  );
  expect(errors.map(({ code, message }) => [code, /no \d/.exec(message)?.[0]])).toEqual([
    ["listener_threw", "no 1"],
    ["listener_threw", "no 2"],
  ]);
});

test("with more than 10,000 messages to verify the subscription continues from its position", async ({
  page,
}) => {
  const one = seal("t", "1");
  const total = 10_010;
  const asked: string[] = [];
  const epoch = "00c0ffee00c0ffee";
  const peer = await fakeHub((socket) => {
    socket.on("message", (frame) => {
      for (const record of String(frame).split("\n")) {
        const [verb, no, , from = ""] = record.split(" ");
        if (verb === "hello") socket.send("welcome s1 1763779200000");
        if (verb !== "sub") continue;
        asked.push(from);
        const first = from === "start" ? 1 : Number(from);
        socket.send(`subscribed ${no} ${epoch} ${first - 1} 0 ${total}`);
        // A frame as large as a hub may send it (rule W8).
        for (let at = first; at <= total; at += 1_000) {
          const count = Math.min(1_000, total - at + 1);
          socket.send(`b ${no} ${at} ${count} 0 0 [${Array(count).fill(`${one},0,0`).join(",")}]`);
        }
      }
    });
  });
  await holdVerifications(page);
  await follow(page, peer.url);
  await begun(page, 10_000);
  expect(asked).toEqual(["start"]);
  await release(page);
  await has(page, total);
  peer.close();
  expect(asked).toEqual(["start", "10001"]);
  expect(await page.evaluate(() => recorded.log.map(({ seq }) => seq))).toEqual(
    Array.from({ length: total }, (_, i) => i + 1),
  );
});

test("a reload loses no message that waits for verification", async ({ hub, page }) => {
  const open = () =>
    page.evaluate(
      async ([url, key]) => {
        globalThis.opened = longhaul.open(url, { resume: true });
        const topic = longhaul.signed(
          opened.client.topic<{ by: string; n: number }>("t"),
          new Uint8Array(key),
        );
        const log: (typeof recorded)["log"] = [];
        globalThis.recorded = { log, stop: topic.subscribe((message) => log.push(message)) };
        await longhaul.reaches(opened.client, "connected");
        // The hub answers in order: once it has acked this, it has read the sub before it.
        await (await opened.client.topic("ready").publish(1)).acked;
      },
      [hub.url, key] as const,
    );
  await open();
  await post(hub.url, "t", seal("t", "1"));
  await has(page, 1);
  await holdVerifications(page);
  await post(hub.url, "t", seal("t", "2"));
  await begun(page, 1);
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  await open();
  // Messages delivered a moment before may come again.
  await page.waitForFunction(() => recorded.log.at(-1)?.seq === 2);
});

test("misuse of keys is reported, and documents are rejected", async ({ hub, page }) => {
  const codes = await page.evaluate(
    async ([url, key]) => {
      const { client } = longhaul.open(url);
      const any = (value: unknown) => value as never;
      const topic = client.topic("t");
      const bytes = new Uint8Array(key);
      const verify = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
      const calls: Record<string, () => unknown> = {
        document: () => longhaul.signed(any(client.document("d")), bytes),
        nothing: () => longhaul.signed(any(undefined), bytes),
        "a short key": () => longhaul.signed(topic, new Uint8Array(31)).publish(1),
        "another algorithm": () => longhaul.signed(topic, verify).publish(1),
        "no key": () => longhaul.signed(topic, any(undefined)).publish(1),
        "no JSON": () => longhaul.signed(topic, bytes).publish(undefined),
        "an insecure page": () => {
          Object.defineProperty(crypto, "subtle", { value: undefined });
          return longhaul.signed(topic, bytes);
        },
      };
      const codes: Record<string, string> = {};
      for (const [name, call] of Object.entries(calls)) {
        try {
          await call();
        } catch (error) {
          codes[name] = error instanceof longhaul.LonghaulError && error.hint ? error.code : String(error);
        }
      }
      return codes;
    },
    [hub.url, key] as const,
  );
  expect(codes).toEqual({
    document: "option_invalid",
    nothing: "option_invalid",
    "a short key": "option_invalid",
    "another algorithm": "option_invalid",
    "no key": "option_invalid",
    "no JSON": "data_not_json",
    "an insecure page": "crypto_unavailable",
  });
});

test("the import of signatures in Node does nothing", async () => {
  const script = `console.log(Object.keys(await import("longhaul/signatures")).join())`;
  const args = ["--input-type=module", "-e", script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname });
  expect(stdout.trim()).toBe("signed");
});
