// Measures how long moves between transports take: blocked ways, lifted blocks, half-open
// connections. Real hub, real fault proxy.

import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withBrowser } from "../browser.mjs";
import { median, table } from "../stats.mjs";
import { support } from "../support.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));

const roundsUsual = 5;
/** How many half-open pages run side by side in a round: each waits for half a minute. */
const strandedPages = 5;

const swallowUpgrade = { upgrade: true, action: "swallow" };
const blockUpgrade = { upgrade: true, action: "blockUpgrade" };
const bufferStream = { pathPrefix: "/v1/events", action: { buffer: { bytes: 65_536 } } };

/** The obstacles, and how long the first message may take, ms, cold and on the next load. */
const obstacles = [
  { name: "nothing", http: [], cold: undefined, next: undefined },
  { name: "WebSocket black-holed", http: [swallowUpgrade], cold: 3_000, next: 1_000 },
  {
    name: "WebSocket blocked, EventSource buffered",
    http: [blockUpgrade, bufferStream],
    cold: 6_000,
    next: 1_000,
  },
];

/** Runs the cases whose name contains `only`. Returns the section for RESULTS.md. */
export async function transports({ rounds = roundsUsual, only, executablePath }) {
  const { Hub, startFaultProxy } = await support("transports");
  const rows = [];
  const say = (row) => {
    rows.push(row);
    console.log(`  ${row.join("  ")}`);
  };
  const hub = await Hub.start();
  const line = await startFaultProxy(Number(new URL(hub.url).port));
  const folders = { "/": join(root, "tests/e2e/page"), "/longhaul/": join(root, "js/dist") };
  try {
    const version = await withBrowser({ folders, executablePath }, async (browser, siteUrl) => {
      const bench = { browser, siteUrl, line, url: line.url, hubUrl: hub.url, rounds };
      for (const obstacle of obstacles.filter(({ name }) => name.includes(only))) {
        const { cold, next, transport } = await firstMessages(bench, obstacle);
        say([`${obstacle.name}: first message, cold`, transport, ...figures(cold, obstacle.cold)]);
        say([`${obstacle.name}: first message, next load`, transport, ...figures(next, obstacle.next)]);
      }
      if ("block lifted".includes(only)) {
        const { back, late } = await lifted(bench);
        say(["block lifted: back on WebSocket", "websocket", ...figures(back, 30_000)]);
        say(["block lifted: latest message over its usual time", "websocket", ...figures(late, undefined)]);
      }
      for (const transport of ["websocket", "eventsource", "longpoll"]) {
        if (!"half-open".includes(only)) continue;
        say(["half-open: found", transport, ...figures(await stranded(bench, transport, false), 40_000)]);
        say([
          "half-open: found after a wake",
          transport,
          ...figures(await stranded(bench, transport, true), 5_000),
        ]);
      }
      return browser.version();
    });
    const [cpu] = cpus();
    return `\`npm run bench -- transports\`, ${new Date().toISOString().slice(0, 10)}, headless Chromium ${version}, ${cpus().length} x ${cpu?.model.trim() ?? "unknown CPU"}, ${rounds} rounds.

${table(["case", "over", "median ms", "min", "max", "limit"], rows)}`;
  } finally {
    await line.stop();
    await hub.kill();
  }
}

function figures(all, limitMs) {
  const numbers = [median(all), Math.min(...all), Math.max(...all)].map((ms) => Math.round(ms));
  return [...numbers, limitMs ?? "–"];
}

/** From `connect` to the first message: in a fresh browser, and on the load after it. */
async function firstMessages({ browser, siteUrl, line, url, rounds }, { http }) {
  const [cold, next] = [[], []];
  let transport = "";
  for (let round = 0; round < rounds; round++) {
    await line.setFaults({ http });
    const context = await browser.newContext();
    const page = await context.newPage();
    for (const times of [cold, next]) {
      await load(page, siteUrl);
      const measured = await page.evaluate(async (url) => {
        const startMs = performance.now();
        const { client } = longhaul.open(url);
        const { log } = longhaul.record(client, `t${Math.random()}`.replace(".", ""), { from: "start" });
        const topic = client.topic(`u${Math.random()}`.replace(".", ""));
        const first = new Promise((resolve) => topic.subscribe(resolve, { from: "start" }));
        await topic.publish(log.length);
        await first;
        return { ms: performance.now() - startMs, transport: client.status.transport };
      }, url);
      times.push(measured.ms);
      transport = measured.transport;
    }
    await context.close();
  }
  return { cold, next, transport };
}

/**
 * From the end of a block to the upgrade, under a message every 20 ms; and the largest delay of a
 * message meanwhile.
 */
async function lifted({ browser, siteUrl, line, url, rounds }) {
  const [back, late] = [[], []];
  for (let round = 0; round < rounds; round++) {
    await line.setFaults({ http: [blockUpgrade] });
    const context = await browser.newContext();
    const page = await context.newPage();
    await load(page, siteUrl);
    await page.evaluate(async (url) => {
      const { client } = longhaul.open(url);
      globalThis.opened = { client };
      await longhaul.reaches(client, "connected");
      const topic = client.topic(`t${Math.random()}`.replace(".", ""));
      globalThis.seen = [];
      topic.subscribe(({ data, seq }) =>
        seen.push({ seq, ms: performance.now() - data.sentMs, atMs: performance.now() }),
      );
      globalThis.sending = setInterval(() => topic.publish({ sentMs: performance.now() }), 20);
    }, url);
    // A random pause, so that the block ends at any moment between two probes.
    await new Promise((resolve) => setTimeout(resolve, 2_000 + Math.random() * 15_000));
    await line.setFaults();
    const measured = await page.evaluate(async () => {
      const startMs = performance.now();
      while (opened.client.status.transport !== "websocket") await new Promise(requestAnimationFrame);
      const movedMs = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      clearInterval(sending);
      const { duplicatesDropped, gaps } = opened.client.metrics();
      const order = seen.every(({ seq }, i) => i === 0 || seq === seen[i - 1].seq + 1);
      const before = seen.filter(({ atMs }) => atMs < startMs).map(({ ms }) => ms);
      const around = seen.filter(({ atMs }) => atMs > movedMs - 1_000).map(({ ms }) => ms);
      await opened.client.close();
      return { ms: movedMs - startMs, before, around, order, duplicatesDropped, gaps };
    });
    if (!measured.order || measured.gaps > 0) throw new Error("a message was lost, doubled or out of order");
    back.push(measured.ms);
    late.push(Math.max(...measured.around) - median(measured.before));
    await context.close();
  }
  return { back, late };
}

/**
 * From the moment when a connection stops carrying data, or the wake after it, to the first message
 * published later.
 */
async function stranded({ browser, siteUrl, line, url, hubUrl, rounds }, transport, isWoken) {
  const times = [];
  await line.setFaults();
  while (times.length < rounds) {
    const context = await browser.newContext();
    const pages = await Promise.all(
      Array.from({ length: Math.min(strandedPages, rounds - times.length) }, async () => {
        const page = await context.newPage();
        await load(page, siteUrl);
        await page.evaluate(
          async ([url, transport]) => {
            const { client, statuses } = longhaul.open(url, { transports: [transport] });
            globalThis.opened = { client, statuses };
            client.topic("half/open").subscribe(({ data }) => {
              opened.lastMs = data;
            });
            await longhaul.reaches(client, "connected");
          },
          [url, transport],
        );
        return page;
      }),
    );
    const body = () => JSON.stringify(Date.now());
    const headers = { "content-type": "application/json" };
    const publishing = setInterval(
      () => fetch(`${hubUrl}/v1/topics/half/open`, { method: "POST", headers, body: body() }),
      50,
    );
    await Promise.all(pages.map((page) => page.waitForFunction(() => opened.lastMs > 0)));
    await line.strand();
    const begunMs = Date.now();
    const found = pages.map((page) =>
      page.evaluate(
        async ([isWoken, begunMs]) => {
          if (isWoken) dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
          while (opened.lastMs <= begunMs) await new Promise((resolve) => setTimeout(resolve, 10));
          return Date.now();
        },
        [isWoken, begunMs],
      ),
    );
    times.push(...(await Promise.all(found)).map((atMs) => atMs - begunMs));
    clearInterval(publishing);
    await context.close();
  }
  return times;
}

async function load(page, siteUrl) {
  await page.goto(siteUrl);
  await page.waitForFunction(() => "longhaul" in globalThis);
}
