// The package as users get it: silent at import, clear about misuse, within a strict content
// security policy.

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, quick, test } from "./support/fixtures.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("its import in Node does nothing and leaves nothing behind", async () => {
  const script = `
    const before = Object.keys(globalThis).length;
    const longhaul = await import("longhaul");
    console.log(JSON.stringify({
      exports: Object.keys(longhaul),
      globals: Object.keys(globalThis).length - before,
      handles: process.getActiveResourcesInfo().filter((name) => !/TTY|Pipe|Req/.test(name)),
    }));`;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "-e", script],
    {
      cwd: root,
    },
  );
  expect(JSON.parse(stdout)).toEqual({ exports: ["LonghaulError", "connect"], globals: 0, handles: [] });
  expect(stderr).toBe("");
});

test("none of its files names a folder of the machine that built it", () => {
  const dist = new URL("../../js/dist/", import.meta.url);
  const naming = readdirSync(dist).filter((file) => {
    const bytes = readFileSync(new URL(file, dist));
    return bytes.includes("registry/src") || bytes.includes(root);
  });
  expect(naming).toEqual([]);
});

test("its import in a page loads no wasm; the first connect does", { tag: "@plain" }, async ({
  hub,
  page,
}) => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  expect(loaded.filter((path) => path.endsWith(".wasm"))).toEqual([]);
  await page.evaluate(async (url) => longhaul.reaches(longhaul.open(url).client, "connected"), hub.url);
  await page.evaluate(async (url) => longhaul.reaches(longhaul.open(url).client, "connected"), hub.url);
  expect(loaded.filter((path) => path.endsWith(".wasm"))).toEqual(["/longhaul/longhaul_bg.wasm"]);
});

test("connect returns at once, and calls made before the wasm is loaded run in order", async ({
  hub,
  page,
}) => {
  const result = await page.evaluate(async (url) => {
    const { client, statuses } = longhaul.open(url);
    const first = client.status;
    const { log } = longhaul.record(client, "t");
    const acks = longhaul.publishMany(client, "t", 1, 3, "early");
    const empty = client.metrics().connects;
    await acks;
    while (log.length < 3) await new Promise(requestAnimationFrame);
    return { first, empty, statuses, numbers: log.map(({ data }) => data.n), metrics: client.metrics() };
  }, hub.url);
  expect(result.first).toEqual({ state: "connecting", attempt: 1, transport: "websocket" });
  expect(result.empty).toBe(0);
  expect(result.numbers).toEqual([1, 2, 3]);
  expect(result.statuses.map(({ state }) => state)).toEqual(["connected"]);
  expect(result.metrics).toMatchObject({
    connects: 1,
    attempts: 1,
    messagesReceived: 3,
    publications: 3,
    acks: 3,
  });
  expect(result.metrics.bytesReceived).toBeGreaterThan(100);
  expect(result.metrics.bytesSent).toBeGreaterThan(100);
  expect(result.metrics.ackMs.count).toBe(3);
});

test("the status is the same object until something changes", async ({ hub, page }) => {
  const isSame = await page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    const status = await longhaul.reaches(client, "connected");
    await (await client.topic("t").publish(1)).acked;
    return client.status === status;
  }, hub.url);
  expect(isSame).toBe(true);
});

test("misuse throws at the call, with a code and a hint", async ({ page }) => {
  const cases = await page.evaluate(() => {
    const { connect } = longhaul;
    const any = (value: unknown) => value as never;
    const client = connect("http://127.0.0.1:9", { onError: () => {} });
    const calls: Record<string, () => unknown> = {
      "no URL": () => connect("http://"),
      "f15: undefined": () => connect(any(undefined)),
      "f15: nothing": () => connect(""),
      "f15: a number": () => connect(any(5)),
      "f15: null": () => connect(any(null)),
      "f15: spaces in a list": () => connect(["http://127.0.0.1:9", " "]),
      ftp: () => connect("ftp://127.0.0.1"),
      "an unknown option": () => connect("http://127.0.0.1:9", any({ hartbeat: {} })),
      "a base over the cap": () => connect("http://127.0.0.1:9", { backoff: { baseMs: 5000, capMs: 1000 } }),
      "a negative base": () => connect("http://127.0.0.1:9", { backoff: { baseMs: -1 } }),
      "a factor of NaN": () => connect("http://127.0.0.1:9", { backoff: { factor: Number.NaN } }),
      "a jitter": () => connect("http://127.0.0.1:9", { backoff: { jitter: any("some") } }),
      "a heartbeat of 0": () => connect("http://127.0.0.1:9", { heartbeat: { intervalMs: 0 } }),
      "no transport": () => connect("http://127.0.0.1:9", { transports: [] }),
      "an unknown transport": () => connect("http://127.0.0.1:9", { transports: any(["pigeon"]) }),
      "a topic with a space": () => client.topic("a b"),
      "an empty topic": () => client.topic(""),
      "an unknown event": () => client.on(any("error"), () => {}),
      "no listener": () => client.topic("t").subscribe(any(undefined)),
      "from 0": () => client.topic("t").subscribe(() => {}, { from: 0 }),
      "from 1.5": () => client.topic("t").messages({ from: 1.5 }),
    };
    return Object.entries(calls).map(([name, call]) => {
      try {
        call();
        return [name, "nothing", ""];
      } catch (error) {
        const known = error instanceof longhaul.LonghaulError && error instanceof Error;
        return [name, known ? error.code : String(error), known && error.hint ? "hint" : ""];
      }
    });
  });
  const option = (name: string) => [name, "option_invalid", "hint"];
  expect(cases).toEqual([
    ["no URL", "url_invalid", "hint"],
    ["f15: undefined", "url_invalid", "hint"],
    ["f15: nothing", "url_invalid", "hint"],
    ["f15: a number", "url_invalid", "hint"],
    ["f15: null", "url_invalid", "hint"],
    ["f15: spaces in a list", "url_invalid", "hint"],
    ["ftp", "url_invalid", "hint"],
    option("an unknown option"),
    option("a base over the cap"),
    option("a negative base"),
    option("a factor of NaN"),
    option("a jitter"),
    option("a heartbeat of 0"),
    option("no transport"),
    option("an unknown transport"),
    ["a topic with a space", "topic_invalid", "hint"],
    ["an empty topic", "topic_invalid", "hint"],
    ["an unknown event", "event_unknown", "hint"],
    option("no listener"),
    option("from 0"),
    option("from 1.5"),
  ]);
});

test("an impossible publication rejects, and names the reason", async ({ hub, page }) => {
  const codes = await page.evaluate(async (url) => {
    const { client } = longhaul.open(url, { outbox: { rowsMax: 3 } });
    await longhaul.reaches(client, "connected");
    const topic = client.topic<unknown>("t");
    const cycle: { me?: unknown } = {};
    cycle.me = cycle;
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => "accepted",
        ({ code, name }) => code ?? name,
      );
    const codes = [
      await codeOf(topic.publish(undefined)),
      await codeOf(topic.publish(cycle)),
      await codeOf(topic.publish(10n)),
      await codeOf(topic.publish("x".repeat(65_534))),
      await codeOf(topic.publish("x".repeat(65_535))),
      await codeOf(topic.publish("🚚".repeat(20_000))),
      (await codeOf(topic.publish(1, { signal: AbortSignal.abort() }))) === 20 ? "AbortError" : "another",
      await codeOf(topic.publish(1, { ttlMs: -1 })),
    ];
    const full = await Promise.all(Array.from({ length: 5 }, () => codeOf(topic.publish(1))));
    await client.close();
    return [...codes, full.join(" "), await codeOf(topic.publish(1))];
  }, hub.url);
  expect(codes).toEqual([
    "data_not_json",
    "data_not_json",
    "data_not_json",
    "accepted",
    "payload_too_large",
    "payload_too_large",
    "AbortError",
    "option_invalid",
    expect.stringMatching(/^(accepted ){2,3}(outbox_full ?){2,3}$/),
    "closed",
  ]);
});

test("publications in a memory outbox become dead letters when the client closes", async ({ page }) => {
  const result = await page.evaluate(async () => {
    const { client, deadLetters, errors } = longhaul.open("http://127.0.0.1:9", { outbox: false });
    const receipt = await client.topic("t").publish({ a: 1 });
    const acked = receipt.acked.catch(({ code }) => code);
    await client.close();
    await client.close();
    client.topic("t").subscribe(() => {});
    return { acked: await acked, deadLetters, status: client.status, errors };
  });
  expect(result).toMatchObject({
    acked: "closed",
    deadLetters: [{ topic: "t", data: { a: 1 }, reason: { code: "closed" } }],
    status: { state: "closed", reason: { code: "done" } },
    errors: [{ code: "closed" }],
  });
});

test("durable publications stay in the outbox when the client closes, and only their receipts end", async ({
  page,
}) => {
  const result = await page.evaluate(async () => {
    const { client, deadLetters } = longhaul.open("http://127.0.0.1:9");
    const receipt = await client.topic("t").publish({ a: 1 });
    const acked = receipt.acked.catch(({ code }) => code);
    await client.close();
    const next = longhaul.open("http://127.0.0.1:9").client;
    const rows = await next.outbox.rows();
    return { acked: await acked, deadLetters, ids: rows.map(({ id }) => id), id: receipt.id };
  });
  expect(result).toMatchObject({ acked: "closed", deadLetters: [], ids: [result.id] });
});

test("the client reports wasm that can't be loaded, and the next connect tries again", async ({
  hub,
  page,
}) => {
  const result = await page.evaluate(
    async ([url, options]) => {
      const { client, errors } = longhaul.open(url, { ...options, wasm: "/no-such.wasm" });
      const status = await longhaul.reaches(client, "waiting");
      const again = longhaul.open(url, options);
      await longhaul.reaches(again.client, "connected");
      // Both clients share the loaded wasm.
      await longhaul.reaches(client, "connected");
      return { status, errors };
    },
    [hub.url, quick] as const,
  );
  expect(result).toMatchObject({
    status: { reason: { code: "wasm_load_failed", message: expect.stringContaining("HTTP 404") } },
    errors: [],
  });
});

test("f21: without onError the client prints an error with its code and its hint", async ({ page }) => {
  const printed: string[] = [];
  page.on("console", (message) => printed.push(message.text()));
  await page.route("**/longhaul_bg.wasm", (route) => route.fulfill({ status: 404 }));
  await page.evaluate((backoff) => void longhaul.connect("http://127.0.0.1:9", { backoff }), quick.backoff);
  await expect.poll(() => printed.filter((text) => text.startsWith("longhaul:"))).toHaveLength(1);
  expect(printed.join()).toMatch(/longhaul: wasm_load_failed: .*HTTP 404.* \(serve longhaul_bg\.wasm beside/);
});

test("f21: if onError throws, the client prints the error and the exception", async ({ page }) => {
  const printed: string[] = [];
  page.on("console", (message) => printed.push(message.text()));
  await page.route("**/longhaul_bg.wasm", (route) => route.fulfill({ status: 404 }));
  await page.evaluate((backoff) => {
    const onError = () => {
      throw new Error("out of order");
    };
    longhaul.connect("http://127.0.0.1:9", { backoff, onError });
  }, quick.backoff);
  await expect.poll(() => printed.join()).toMatch(/longhaul: wasm_load_failed: .* \(serve.*out of order/s);
});

test("an iteration ends by break and by its signal, and a consumer that is too slow gets an error", async ({
  hub,
  page,
}) => {
  const result = await page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    const topic = client.topic<{ n: number }>("t");
    const slow = topic.messages({ from: "start" })[Symbol.asyncIterator]();
    const controller = new AbortController();
    const aborted = topic.messages({ signal: controller.signal })[Symbol.asyncIterator]();
    const pending = aborted.next();
    controller.abort();
    const seen = [];
    await longhaul.publishMany(client, "t", 1, 2, "me");
    for await (const { seq } of topic.messages({ from: "start" })) {
      seen.push(seq);
      if (seq === 2) break;
    }
    await longhaul.publishMany(client, "t", 3, 10_010, "me");
    const { log } = longhaul.record(client, "t", { from: 10_012 });
    while (log.length === 0) await new Promise(requestAnimationFrame);
    let taken = 0;
    let code: string | undefined;
    try {
      for (;;) {
        const { done } = await slow.next();
        if (done) break;
        taken++;
      }
    } catch (error) {
      code = (error as { code: string }).code;
    }
    return { seen, aborted: await pending, taken, code };
  }, hub.url);
  expect(result).toEqual({ seen: [1, 2], aborted: { done: true }, taken: 10_000, code: "consumer_too_slow" });
});
