// S59: the wasm crashes at every kind of moment, and the next instance continues for listeners and
// publications.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { watchInstances } from "./support/crash.js";
import { expect, type Numbered, quick, test } from "./support/fixtures.js";
import type { Hub } from "./support/hub.js";

/** The longest time from a crash to the next connection, ms: S59 of the requirements. */
const recoveryMsMax = 2_000;

declare global {
  /** State that these tests keep in a page. */
  var observed: {
    errors: { code: string; atMs: number }[];
    connectedAtMs: number[];
    acks: Promise<api.Ack>[];
    /** Publishes this many more, and resolves when all have a receipt. */
    publish(count: number): Promise<void>;
  };
}

/**
 * Opens a client that publishes to `t` and follows it from its start. Each acknowledged number must
 * appear in its log and the hub's.
 */
async function begin(page: Page, hub: Hub, options: api.Options = {}): Promise<void> {
  await watchInstances(page);
  await page.evaluate(
    async ([url, options]) => {
      const errors: typeof observed.errors = [];
      globalThis.opened = longhaul.open(url, {
        ...options,
        onError: ({ code }) => errors.push({ code, atMs: performance.now() }),
      });
      const { client } = opened;
      globalThis.recorded = longhaul.record(client, "t", { from: "start" });
      globalThis.observed = { errors, connectedAtMs: [], acks: [], publish };
      let last = 0;
      async function publish(count: number): Promise<void> {
        const calls = Array.from({ length: count }, () =>
          client.topic("t").publish({ by: "page", n: ++last }),
        );
        for (const { acked } of await Promise.all(calls)) observed.acks.push(acked);
      }
      client.on("status", ({ state }) => {
        if (state === "connected") observed.connectedAtMs.push(performance.now());
      });
      await publish(20);
      await Promise.all(observed.acks);
      while (recorded.log.length < 20) await new Promise(requestAnimationFrame);
    },
    [hub.url, { ...quick, ...options }] as const,
  );
}

/**
 * Waits for this many crashes and recoveries and publishes some more. Then checks that the hub
 * took, and the client reported, each number once and in order.
 */
async function isWhole(page: Page, hub: Hub, crashes: number): Promise<void> {
  await page.waitForFunction((crashes) => observed.errors.length >= crashes, crashes);
  const seen = await page.evaluate(async () => {
    await observed.publish(20);
    await Promise.all(observed.acks);
    const count = observed.acks.length;
    while (recorded.log.length < count) await new Promise(requestAnimationFrame);
    await longhaul.reaches(opened.client, "connected");
    const recoveriesMs = observed.errors.map(
      ({ atMs }) => (observed.connectedAtMs.find((ms) => ms > atMs) ?? Number.POSITIVE_INFINITY) - atMs,
    );
    return {
      errors: observed.errors.map(({ code }) => code),
      crashes: opened.client.metrics().crashes,
      deadLetters: opened.deadLetters,
      downloads: crash.downloads(),
      open: crash.open(),
      count,
      recoveriesMs,
      log: recorded.log.map(({ seq, data }) => [seq, data.n]),
    };
  });
  const { count, recoveriesMs, ...rest } = seen;
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  expect(rest).toEqual({
    errors: Array.from({ length: crashes }, () => "client_crashed"),
    crashes,
    deadLetters: [],
    downloads: 1,
    open: rest.open,
    log: numbers.map((n) => [n, n]),
  });
  expect(rest.open, "what the crashed ones had open is closed").toBeLessThan(2);
  expect(await logOf(hub, "t")).toEqual(numbers);
  for (const ms of recoveriesMs) expect(ms).toBeLessThan(recoveryMsMax);
}

/** The numbers in the hub's log. */
async function logOf(hub: Hub, topic: string): Promise<number[]> {
  const numbers: number[] = [];
  for (let from = 1; ; ) {
    const response = await fetch(`${hub.url}/v1/topics/${topic}?from=${from}`);
    const { entries } = (await response.json()) as { entries: { seq: number; data: Numbered }[] };
    if (entries.length === 0) return numbers;
    for (const { seq, data } of entries) {
      numbers.push(data.n);
      from = seq + 1;
    }
  }
}

/** Actions that run the wasm after it is corrupted. */
const moments: Record<string, (page: Page, hub: Hub) => unknown> = {
  "when an answer arrives": (page) => page.evaluate(() => opened.client.topic("other").publish(1)),
  "when a publication is made": (page) => page.evaluate(() => observed.publish(1)),
  "when a timer fires": () => {},
  "when its socket closes": (page) => page.evaluate(() => crash.sockets().at(-1)?.close()),
  "when the user reconnects": (page) => page.evaluate(() => opened.client.reconnect()),
  "when the network changes": (page) => page.evaluate(() => void dispatchEvent(new Event("online"))),
  "when a subscription begins": (page) =>
    page.evaluate(() => void opened.client.topic("new").subscribe(() => {})),
  "when its metrics are read": (page) => page.evaluate(() => void opened.client.metrics()),
};

for (const [moment, act] of Object.entries(moments)) {
  test(`s59: a client that crashes ${moment} recovers, and loses and repeats nothing`, async ({
    hub,
    page,
  }) => {
    await begin(page, hub);
    expect(await page.evaluate(() => crash.corrupt("core_start"))).toBe(1);
    await act(page, hub);
    await isWhole(page, hub, 1);
  });
}

for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
  test(`s59: over ${transport} publications in flight during a crash take effect once`, async ({
    hub,
    page,
  }) => {
    await begin(page, hub, { transports: [transport] });
    await page.evaluate(async () => {
      await observed.publish(30);
      crash.corrupt("core_start");
      await observed.publish(10);
    });
    await isWhole(page, hub, 1);
  });
}

test("s59: publications made while the next instance reads storage are taken once, behind earlier ones", async ({
  hub,
  page,
}) => {
  await begin(page, hub);
  await page.evaluate(async () => {
    crash.corrupt("core_start");
    const before = observed.publish(10);
    while (crash.made("core_start") < 2) await new Promise((resolve) => setTimeout(resolve));
    await observed.publish(10);
    await before;
  });
  await isWhole(page, hub, 1);
});

test("s59: the client survives eight crashes in a row under load", async ({ hub, page }) => {
  await begin(page, hub);
  await page.evaluate(async () => {
    for (let crashes = 1; crashes <= 8; crashes++) {
      await observed.publish(10);
      // Now and then the next instance is corrupted before it has done anything.
      const made = crash.made("core_start");
      crash.corrupt("core_start");
      await observed.publish(1);
      while (observed.errors.length < crashes || crash.made("core_start") === made)
        await new Promise(requestAnimationFrame);
      if (crashes % 3 > 0) await longhaul.reaches(opened.client, "connected");
    }
  });
  await isWhole(page, hub, 8);
});

test("s59: a listener that causes a crash within a batch receives the rest of the batch once", async ({
  hub,
  page,
}) => {
  await begin(page, hub);
  const seqs = await page.evaluate(async () => {
    const seqs: number[] = [];
    let published: Promise<api.Receipt> | undefined;
    opened.client.topic("t").subscribe(
      ({ seq }) => {
        seqs.push(seq);
        if (seqs.length !== 5) return;
        crash.corrupt("core_start");
        published = opened.client.topic("other").publish("from within");
      },
      { from: "start" },
    );
    while (seqs.length < 20) await new Promise(requestAnimationFrame);
    const { acked } = (await published) as api.Receipt;
    await acked;
    return seqs;
  });
  expect(seqs).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  await isWhole(page, hub, 1);
});

for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
  test(`s59: over ${transport} no calls go into a panicked instance, and no effects come out of it`, async ({
    hub,
    page,
  }) => {
    await begin(page, hub, { transports: [transport] });
    const late = await page.evaluate(async () => {
      const { client } = opened;
      const [old] = crash.sockets();
      // Both arrive in one frame or answer. When the first listener panics, the rest belongs to
      // another subscription.
      let count = 0;
      for (const topic of ["t", "t2"]) {
        client.topic(topic).subscribe(
          () => {
            if (++count > 1) return;
            crash.panic("core_publish");
            void client.topic("other").publish("from within");
          },
          { from: "start" },
        );
      }
      await (await client.topic("t2").publish(1)).acked;
      while (count < 21 || observed.errors.length < 1) await new Promise(requestAnimationFrame);
      await longhaul.reaches(client, "connected");
      const forged = `m 1 21 0 0 - ${JSON.stringify({ by: "nobody", n: 0 })}`;
      old?.dispatchEvent(new MessageEvent("message", { data: forged }));
      return crash.late;
    });
    expect(late).toEqual({ ins: [], outs: [] });
    await isWhole(page, hub, 1);
  });
}

test("s59: a client that crashes while it waits for a token asks for one again", async ({ hub, page }) => {
  await watchInstances(page);
  const calls = await page.evaluate(async (url) => {
    const calls: string[] = [];
    const errors: string[] = [];
    const client = longhaul.connect(url, {
      token: (reason) => {
        calls.push(reason);
        // The instance that asked is gone when the first answer comes.
        if (calls.length > 1) return "second";
        return new Promise((resolve) => {
          const check = () => (errors.length > 0 ? resolve("first") : requestAnimationFrame(check));
          check();
        });
      },
      onError: ({ code }) => errors.push(code),
    });
    while (calls.length < 1) await new Promise(requestAnimationFrame);
    crash.corrupt("core_start");
    client.reconnect();
    await longhaul.reaches(client, "connected");
    return { calls, errors };
  }, hub.url);
  expect(calls).toEqual({ calls: ["initial", "initial"], errors: ["client_crashed"] });
});

test("s59: a client that crashes again and again reports that it gives up", async ({ hub, page }) => {
  await begin(page, hub);
  const end = await page.evaluate(async () => {
    const { client } = opened;
    while (client.status.state !== "closed") {
      if (crash.corrupt("core_start") > 0) client.reconnect();
      await new Promise(requestAnimationFrame);
    }
    const code = await client
      .topic("t")
      .publish(1)
      .catch((error: api.LonghaulError) => error.code);
    return { code, status: client.status, errors: observed.errors.length, open: crash.open() };
  });
  expect(end).toMatchObject({
    code: "client_crashed",
    status: { state: "closed", reason: { code: "client_crashed" } },
    errors: 11,
    open: 0,
  });
});

test("s59: the crash of one client does not affect another one", async ({ hub, page }) => {
  await begin(page, hub);
  const other = await page.evaluate(async (url) => {
    crash.corrupt("core_start");
    const { client, errors, statuses } = longhaul.open(url);
    await longhaul.reaches(client, "connected");
    await (await client.topic("other").publish(1)).acked;
    opened.client.reconnect();
    while (observed.errors.length < 1) await new Promise(requestAnimationFrame);
    await (await client.topic("other").publish(2)).acked;
    const { crashes } = client.metrics();
    const states = statuses.map(({ state }) => state);
    await client.close();
    return { errors, states, crashes };
  }, hub.url);
  expect(other).toEqual({ errors: [], states: ["connected"], crashes: 0 });
  await isWhole(page, hub, 1);
});

interface Cards {
  cards: { [n: string]: string };
}

declare global {
  var cards: {
    document: api.Document<Cards>;
    values: (Cards | null | undefined)[];
    acks: Promise<api.Ack>[];
  };
}

/** Follows `cards`, which starts with one card. */
async function beginCards(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const document = opened.client.document<Cards>("cards");
    const values: (Cards | null | undefined)[] = [];
    globalThis.cards = { document, values, acks: [] };
    document.subscribe((value) => values.push(value));
    const { acked } = await document.merge({ cards: { "0": "zero" } });
    await acked;
    while (document.seq < 1) await new Promise(requestAnimationFrame);
  });
}

/** Checks that all cards are here and confirmed, and that none was ever missing. */
async function areCardsWhole(page: Page, count: number): Promise<void> {
  const seen = await page.evaluate(async (count) => {
    const { document, values, acks } = cards;
    await Promise.all(acks);
    while (document.pending > 0 || Object.keys(document.value?.cards ?? {}).length < count)
      await new Promise(requestAnimationFrame);
    const sizes = values.map((value) => Object.keys(value?.cards ?? {}).length);
    return {
      isSame: JSON.stringify(document.value) === JSON.stringify(document.confirmed),
      seq: document.seq,
      isGrowing: sizes.every((size, i) => i === 0 || size >= (sizes[i - 1] ?? 0)),
      errors: observed.errors.map(({ code }) => code),
    };
  }, count);
  expect(seen).toEqual({ isSame: true, seq: count, isGrowing: true, errors: ["client_crashed"] });
}

test("s59: unconfirmed own changes stay visible when the documents' wasm crashes", async ({ hub, page }) => {
  await begin(page, hub);
  await beginCards(page);
  const shown = await page.evaluate(async () => {
    const { document, values } = cards;
    const [socket] = crash.sockets();
    if (socket === undefined) throw new Error("there is no socket");
    // A line that loses changes of documents and nothing else.
    const send = socket.send.bind(socket);
    socket.send = (frame) => /^merge /m.test(String(frame)) || send(frame);
    const { acked } = await document.merge({ cards: { "1": "one" } });
    cards.acks.push(acked);
    crash.corrupt("documentcore_changes");
    await document.merge({ cards: { "2": "two" } });
    while (document.pending < 2 || document.seq < 1) await new Promise(requestAnimationFrame);
    return { value: document.value, confirmed: document.confirmed, last: values.at(-1) };
  });
  const value = { cards: { "0": "zero", "1": "one", "2": "two" } };
  expect(shown).toEqual({ value, confirmed: { cards: { "0": "zero" } }, last: value });
  await page.evaluate(() => opened.client.reconnect());
  await areCardsWhole(page, 3);
});

for (const { which, having } of [
  { which: "its client", having: "core_start" },
  { which: "its own part of the wasm", having: "documentcore_changes" },
] as const) {
  test(`s59: a document continues after a crash of ${which}, with the own changes in flight`, async ({
    hub,
    page,
  }) => {
    await begin(page, hub);
    await beginCards(page);
    const shown = await page.evaluate(async (having) => {
      const { document, acks } = cards;
      const put = async (n: number) => {
        const { acked } = await document.patch([{ op: "add", path: `/cards/${n}`, value: String(n) }]);
        acks.push(acked);
      };
      await put(1);
      const count = crash.corrupt(having);
      await put(2);
      const { value } = document;
      await put(3);
      return { count, shown: Object.keys(value?.cards ?? {}).slice(0, 2) };
    }, having);
    expect(shown, "what was shown stays").toEqual({ count: 1, shown: ["0", "1"] });
    await areCardsWhole(page, 4);
    await page.evaluate(() => cards.document.merge({ cards: { "4": "four" } }));
    await areCardsWhole(page, 5);
    if (having === "core_start") await isWhole(page, hub, 1);
  });
}
