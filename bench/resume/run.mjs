// Measures the recovery of a thousand missed messages, and the memory of ten thousand
// subscriptions, beside peers that can resume.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { threadClock, withBrowser } from "../browser.mjs";
import { buildPage, machine } from "../contest.mjs";
import { median, shuffled, table } from "../stats.mjs";
import { support } from "../support.mjs";
import { startLine } from "./line.mjs";
import { servers } from "./servers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));

const roundsUsual = 9;
const warmUps = 2;
const missed = 1_000;
const topic = "bench/topic-0";
const roundTrips = [0, 50];
const topicsHeld = 10_000;
const memoryRounds = 3;

/** Returns the section for RESULTS.md. */
export async function resume({ rounds = roundsUsual, only, executablePath }) {
  const { Hub } = await support("resume-support");
  const folders = { "/": await buildPage("resume", here), "/longhaul/": join(root, "js/dist") };
  return withBrowser({ folders, executablePath }, async (browser, siteUrl) => {
    const started = servers(Hub);
    const peers = Object.keys(started);
    const recoveries = "recovery".includes(only)
      ? await recovered(browser, siteUrl, started, peers, rounds)
      : [];
    const weights = "memory".includes(only) ? await weighed(browser, siteUrl, started, peers) : [];
    return `\`npm run bench -- resume\`, ${machine(browser.version())}, ${rounds} rounds, ${memoryRounds} of memory.

${table(["1,000 missed messages of 60 B", "round trip ms", "median ms", "min", "max", "page's CPU ms", "KB on the wire"], recoveries)}

${table(["10,000 subscribed topics", "KB", "min", "max", "bytes a topic"], weights)}`;
  });
}

async function recovered(browser, siteUrl, started, peers, rounds) {
  const contestants = await Promise.all(
    peers.map(async (peer) => {
      const server = await started[peer]();
      const line = await startLine(server.port);
      const page = await openPage(browser, siteUrl);
      await page.evaluate(([peer, port]) => globalThis.resume.open(peer, port, 1), [peer, line.port]);
      // Socket.IO can recover a connection only after a message on it.
      await server.publish(topic, payload(0));
      await page.evaluate(() => globalThis.resume.receives());
      return { peer, server, line, page, clock: await threadClock(page) };
    }),
  );
  const rows = [];
  try {
    for (const roundTripMs of roundTrips) {
      const figures = new Map(peers.map((peer) => [peer, { ms: [], cpuMs: [], bytes: [] }]));
      for (let round = -warmUps; round < rounds; round++) {
        for (const contestant of shuffled(contestants)) {
          const { ms, cpuMs, bytes } = await recover(contestant, roundTripMs);
          const all = figures.get(contestant.peer);
          if (round < 0) continue;
          all.ms.push(ms);
          all.cpuMs.push(cpuMs);
          all.bytes.push(bytes);
        }
      }
      for (const [peer, { ms, cpuMs, bytes }] of figures) {
        const [middle, min, max] = [median(ms), Math.min(...ms), Math.max(...ms)].map(Math.round);
        const row = [peer, roundTripMs, middle, min, max, median(cpuMs).toFixed(1), kilobytes(median(bytes))];
        console.log(`  ${row.join("  ")}`);
        rows.push(row);
      }
    }
  } finally {
    for (const { server, line } of contestants) {
      line.stop();
      await server.stop();
    }
  }
  return rows;
}

/** Cuts the line, publishes, and restores it. The time runs from there to the last message. */
async function recover({ server, line, page, clock }, roundTripMs) {
  line.cut();
  await page.evaluate(() => globalThis.resume.down());
  const sent = [];
  for (let n = 0; n < missed; n++) {
    // In order: each post waits for the one before it.
    sent.push(await server.publish(topic, payload(n)));
  }
  line.delayMs = roundTripMs / 2;
  line.mend();
  const startMs = await clock();
  const ms = await page.evaluate((count) => globalThis.resume.back(count), missed);
  const cpuMs = (await clock()) - startMs;
  const { bytes } = line;
  line.delayMs = 0;
  return { ms, cpuMs, bytes };
}

/**
 * By how much the page grows with its client and subscriptions: heap and wasm memory, after
 * collections.
 */
async function weighed(browser, siteUrl, started, peers) {
  const bytes = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < memoryRounds; round++) {
    for (const peer of shuffled(peers)) {
      const server = await started[peer]();
      const page = await openPage(browser, siteUrl);
      const session = await page.context().newCDPSession(page);
      const weight = async () => {
        for (let again = 0; again < 3; again++) await session.send("HeapProfiler.collectGarbage");
        const { usedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
        return usedSize + backingStorageSize + (await page.evaluate(() => globalThis.resume.wasmBytes()));
      };
      const before = await weight();
      await page.evaluate(
        ([peer, port, topics]) => globalThis.resume.open(peer, port, topics),
        [peer, server.port, topicsHeld],
      );
      await heardFrom(page, server, `bench/topic-${topicsHeld - 1}`);
      bytes.get(peer).push((await weight()) - before);
      await page.close();
      await server.stop();
    }
  }
  return [...bytes].map(([peer, all]) => {
    const row = [
      peer,
      ...[median(all), Math.min(...all), Math.max(...all)].map(kilobytes),
      Math.round(median(all) / topicsHeld),
    ];
    console.log(`  ${row.join("  ")}`);
    return row;
  });
}

/**
 * The hub answers subscriptions in order, so a message of the last topic means that all are there.
 */
async function heardFrom(page, server, topic) {
  let isHeard = false;
  const received = page
    .evaluate(() => globalThis.resume.receives())
    .then(() => {
      isHeard = true;
    });
  while (!isHeard) {
    await server.publish(topic, payload(0));
    await Promise.race([received, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
}

async function openPage(browser, siteUrl) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(error));
  await page.goto(siteUrl);
  await page.waitForFunction(() => "resume" in globalThis);
  return page;
}

function kilobytes(bytes) {
  return Math.round(bytes / 1_000);
}

/** 60 bytes. */
function payload(n) {
  const open = `{"n":${n},"x":${n / 1_000},"tag":"`;
  return `${open}${"abcdefghij".repeat(6).slice(0, 58 - open.length)}"}`;
}
