// Two real pages and a real hub: messages arrive once, in order, with the seqs that the API
// promises.

import { expect, quick, test } from "./support/fixtures.js";

test("two pages exchange messages, and each sees all of them once and in the same order", {
  tag: "@plain",
}, async ({ hub, page, newPage }) => {
  const pages = [page, await newPage()];
  for (const [i, page] of pages.entries()) {
    await page.evaluate(
      async ([url, options]) => {
        globalThis.opened = longhaul.open(url, options);
        globalThis.recorded = longhaul.record(opened.client, "demo/board", { from: "start" });
        await longhaul.reaches(opened.client, "connected");
      },
      [hub.url, quick] as const,
    );
    expect(i).toBeLessThan(2);
  }
  const acks = await Promise.all(
    pages.map((page, i) =>
      page.evaluate((by) => longhaul.publishMany(opened.client, "demo/board", 1, 200, by), `page ${i}`),
    ),
  );
  expect(acks.flat().map(({ duplicate }) => duplicate)).not.toContain(true);
  const logs = [];
  for (const page of pages) {
    await page.waitForFunction(() => recorded.log.length >= 400);
    logs.push(await page.evaluate(() => recorded.log));
  }
  const [first = [], second = []] = logs;
  expect(first.map(({ seq }) => seq)).toEqual(Array.from({ length: 400 }, (_, i) => i + 1));
  expect(second).toEqual(first);
  for (const by of ["page 0", "page 1"]) {
    const numbers = first.filter(({ data }) => data.by === by).map(({ data }) => data.n);
    expect(numbers, "the order of its publisher").toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  }
  const seqs = new Set(acks.flat().map(({ seq }) => seq));
  expect(seqs.size).toBe(400);
});

test("w8: ten thousand subscriptions are more than one frame holds, and all survive a reconnect", async ({
  hub,
  page,
}) => {
  const last = await page.evaluate(
    async ([url, options]) => {
      const { client, errors, statuses } = longhaul.open(url, { ...options, transports: ["websocket"] });
      for (let topic = 0; topic < 10_000; topic++) client.topic(`many/${topic}`).subscribe(() => {});
      await longhaul.reaches(client, "connected");
      client.reconnect();
      const { log } = longhaul.record(client, "many/after");
      while (log.length === 0) await (await client.topic("many/after").publish(1)).acked;
      return {
        errors,
        reasons: statuses.flatMap((status) => ("reason" in status ? [status.reason.code] : [])),
      };
    },
    [hub.url, quick] as const,
  );
  expect(last.errors).toEqual([]);
  expect(last.reasons).not.toContain("frame_too_large");
});

for (const transport of ["eventsource", "longpoll"] as const) {
  test(`w8: ${transport}: one post requests sixteen thousand topics with the longest names`, async ({
    hub,
    page,
  }) => {
    const { data, reasons, errors } = await page.evaluate(
      async ([url, transport]) => {
        const { client, errors, statuses } = longhaul.open(url, { transports: [transport] });
        const name = (no: number) => String(no).padStart(255, "0");
        for (let no = 1; no < 16_000; no++) client.topic(name(no)).subscribe(() => {});
        const { log } = longhaul.record(client, name(16_000));
        // Messages arrive before the hub has read the subscription.
        while (log.length === 0) await (await client.topic(name(16_000)).publish("there")).acked;
        const reasons = statuses.flatMap((status) => ("reason" in status ? [status.reason.code] : []));
        return { data: log[0]?.data, reasons, errors };
      },
      [hub.url, transport] as const,
    );
    expect({ data, reasons, errors }).toEqual({ data: "there", reasons: [], errors: [] });
  });
}

test("a message carries topic, seq, epoch, time and the id of its receipt", { tag: "@plain" }, async ({
  hub,
  page,
}) => {
  const { message, receipt, ack, now } = await page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    const messages = client.topic("a/b").messages({ from: "start" })[Symbol.asyncIterator]();
    const receipt = await client.topic("a/b").publish({ text: "ü 🚚 \u2028 \n" });
    const ack = await receipt.acked;
    const { value: message } = await messages.next();
    await messages.return?.();
    return { message, receipt: { ...receipt, acked: undefined }, ack, now: Date.now() };
  }, hub.url);
  expect(receipt).toMatchObject({ durable: true, deferred: "next-visit" });
  expect(message).toEqual({
    topic: "a/b",
    seq: 1,
    epoch: ack.epoch,
    data: { text: "ü 🚚 \u2028 \n" },
    publishedAtMs: expect.any(Number),
    id: receipt.id,
  });
  expect(Math.abs(now - message.publishedAtMs)).toBeLessThan(60_000);
  expect(ack).toEqual({ epoch: expect.stringMatching(/^[0-9a-f]{16}$/), seq: 1, duplicate: false });
});

test("subscribers receive what a back end posts, and the back end can read what a page publishes", async ({
  hub,
  page,
}) => {
  await page.evaluate(async (url) => {
    globalThis.opened = longhaul.open(url);
    globalThis.recorded = longhaul.record(opened.client, "news");
    await longhaul.reaches(opened.client, "connected");
    await (await opened.client.topic("news").publish("from the page")).acked;
  }, hub.url);
  const post = (body: string, key: string) =>
    fetch(`${hub.url}/v1/topics/news`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body,
    });
  expect(await (await post('{"a": 1}', "k1")).json()).toMatchObject({
    topic: "news",
    seq: 2,
    duplicate: false,
  });
  expect(await (await post('{"a": 1}', "k1")).json()).toMatchObject({ seq: 2, duplicate: true });
  await post("[1,2,3]", "k2");
  await page.waitForFunction(() => recorded.log.length === 3);
  const log = await page.evaluate(() => recorded.log);
  expect(log.map(({ seq, data, id }) => ({ seq, data, id }))).toEqual([
    { seq: 1, data: "from the page", id: expect.stringMatching(/:1$/) },
    { seq: 2, data: { a: 1 }, id: "k1" },
    { seq: 3, data: [1, 2, 3], id: "k2" },
  ]);
  const stored = await (await fetch(`${hub.url}/v1/topics/news?from=2`)).json();
  expect(stored).toMatchObject({ topic: "news", epoch: log[0]?.epoch });
  expect(stored.entries.map((entry: { seq: number; data: unknown }) => [entry.seq, entry.data])).toEqual([
    [2, { a: 1 }],
    [3, [1, 2, 3]],
  ]);
});

test("from: live, start and a seq begin at their documented positions", async ({ hub, page }) => {
  const seen = await page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    await longhaul.publishMany(client, "t", 1, 5, "before");
    const logs = [
      longhaul.record(client, "t"),
      longhaul.record(client, "t", { from: "start" }),
      longhaul.record(client, "t", { from: 4 }),
    ].map(({ log }) => log);
    // The hub handles a page's subs and publications in order, so all three are served before
    // number 6.
    await longhaul.publishMany(client, "t", 6, 1, "after");
    for await (const message of client.topic<{ n: number }>("t").messages({ from: "start" })) {
      if (message.data.n === 6) break;
    }
    return logs.map((log) => log.map(({ seq }) => seq));
  }, hub.url);
  expect(seen).toEqual([[6], [1, 2, 3, 4, 5, 6], [4, 5, 6]]);
});

test("a listener that throws affects no other, and a listener that has left receives nothing more", async ({
  hub,
  page,
}) => {
  const result = await page.evaluate(async (url) => {
    const { client, errors } = longhaul.open(url);
    const topic = client.topic<{ n: number }>("t");
    const seen: string[] = [];
    const controller = new AbortController();
    topic.subscribe(() => {
      throw new Error("mine");
    });
    const stop = topic.subscribe(({ seq }) => {
      seen.push(`once ${seq}`);
      stop();
    });
    topic.subscribe(({ seq }) => seen.push(`aborted ${seq}`) === 3 && controller.abort(), {
      signal: controller.signal,
    });
    const { log } = longhaul.record(client, "t");
    await longhaul.publishMany(client, "t", 1, 3, "me");
    while (log.length < 3) await new Promise(requestAnimationFrame);
    return { seen, errors, seqs: log.map(({ seq }) => seq) };
  }, hub.url);
  expect(result.seqs).toEqual([1, 2, 3]);
  expect(result.seen).toEqual(["once 1", "aborted 1", "aborted 2"]);
  expect(result.errors.map(({ code }) => code)).toEqual([
    "listener_threw",
    "listener_threw",
    "listener_threw",
  ]);
});

test("s60: listeners may publish, subscribe and close", async ({ hub, page }) => {
  const result = await page.evaluate(async (url) => {
    const { client, errors } = longhaul.open(url);
    const seen: unknown[] = [];
    client.topic("ping").subscribe(({ data }) => {
      seen.push(data);
      client.topic("pong").subscribe(({ data }) => {
        seen.push(data);
        void client.close();
      });
      void client.topic("pong").publish("pong");
    });
    await (await client.topic("ping").publish("ping")).acked;
    const status = await longhaul.reaches(client, "closed");
    return { seen, errors, status };
  }, hub.url);
  expect(result).toMatchObject({ seen: ["ping", "pong"], errors: [], status: { state: "closed" } });
});

test("10,000 messages in a burst arrive complete and in order", async ({ hub, page, newPage }) => {
  const reader = await newPage();
  await reader.evaluate(async (url) => {
    globalThis.opened = longhaul.open(url);
    globalThis.recorded = longhaul.record(opened.client, "burst");
    await longhaul.reaches(opened.client, "connected");
    // The hub answers in order: once it has acked this, it has read the sub before it.
    await (await opened.client.topic("ready").publish(1)).acked;
  }, hub.url);
  const acks = await page.evaluate(async (url) => {
    const { client } = longhaul.open(url);
    return longhaul.publishMany(client, "burst", 1, 10_000, "burst");
  }, hub.url);
  expect(acks.map(({ seq }) => seq)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
  await reader.waitForFunction(() => recorded.log.length >= 10_000);
  const log = await reader.evaluate(() => recorded.log.map(({ seq, data, gap }) => [seq, data?.n, gap]));
  expect(log).toEqual(Array.from({ length: 10_000 }, (_, i) => [i + 1, i + 1, undefined]));
});
