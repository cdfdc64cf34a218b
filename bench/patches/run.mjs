// Measures patches of documents, from their text to a readable value, side by side with libraries.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { threadClock, withPage } from "../browser.mjs";
import { buildPage, machine } from "../contest.mjs";
import { median, shuffled, table } from "../stats.mjs";

const here = dirname(fileURLToPath(import.meta.url));

const roundsUsual = 7;
/** The CPU time of one measurement, ms. A trial finds how many frames that are. */
const measurementMs = 12;
const framesMax = 8_192;

const cases = [
  { name: "large object, 1 operation", document: "large object", perFrame: 1, read: "whole" },
  { name: "large object, 5 operations", document: "large object, 5 operations", perFrame: 1, read: "whole" },
  { name: "large object, 100 a frame", document: "large object", perFrame: 100, read: "whole" },
  { name: "large object, not read", document: "large object", perFrame: 1, read: "nothing" },
  { name: "large object, one place read", document: "large object", perFrame: 1, read: "place" },
  { name: "keys come and go", document: "keys come and go", perFrame: 1, read: "whole" },
  { name: "keys come and go, 100 a frame", document: "keys come and go", perFrame: 100, read: "whole" },
  { name: "keys come and go, one place read", document: "keys come and go", perFrame: 1, read: "place" },
  { name: "1,500 keys", document: "more than 1,020 keys", perFrame: 1, read: "whole" },
  { name: "1,500 keys, 100 a frame", document: "more than 1,020 keys", perFrame: 100, read: "whole" },
  { name: "array of 10,000, replace", document: "array, replaced", perFrame: 1, read: "whole" },
  { name: "array of 10,000, insert at the head", document: "array, inserted", perFrame: 1, read: "whole" },
  { name: "array of 10,000, 100 a frame", document: "array, inserted", perFrame: 100, read: "whole" },
  { name: "small document", document: "small document", perFrame: 1, read: "whole" },
  { name: "small document, 100 a frame", document: "small document", perFrame: 100, read: "whole" },
  { name: "whole value, of changing type", document: "scalar root", perFrame: 1, read: "whole" },
];

/** Peers that share unchanged parts, and peers that at least keep the last value unchanged. */
const sharing = ["mutative", "immer"];
const immutable = [...sharing, "fast-json-patch"];

/** The goals: a multiple of the fastest of some peers, or a number of patches a second. */
const goals = [
  { of: "large object, 1 operation", times: 15, peers: ["mutative"] },
  { of: "array of 10,000, replace", times: 1.5, peers: ["mutative"] },
  { of: "array of 10,000, insert at the head", times: 2, peers: ["mutative"] },
  { of: "small document", times: 4, peers: immutable },
  { of: "keys come and go, 100 a frame", times: 1.5, peers: ["mutative"] },
  { of: "keys come and go, one place read", perSecond: 700_000 },
  { of: "large object, 100 a frame", perSecond: 1_000_000 },
  { of: "large object, 100 a frame", times: 4, peers: sharing },
];

/** Returns the section for RESULTS.md. */
export async function patches({ rounds = roundsUsual, only, executablePath }) {
  const folders = {
    "/": await buildPage("patches", here),
    "/longhaul/": join(dirname(dirname(here)), "js/dist"),
  };
  return withPage({ folders, executablePath }, async (page, version) => {
    await page.waitForFunction(() => "bench" in globalThis);
    const clock = await threadClock(page);
    const peers = await page.evaluate(() => globalThis.bench.peers);
    await page.evaluate(() => globalThis.bench.seeManyShapes());
    const results = new Map();
    for (const of of cases.filter(({ name }) => name.includes(only))) {
      const speeds = await measure(page, clock, of, peers, rounds);
      results.set(of.name, speeds);
      console.log(`  ${of.name}: ${peers.map((peer) => `${peer} ${formatted(speeds[peer])}`).join(", ")}`);
    }
    return `\`npm run bench -- patches\`, ${machine(version)}, ${rounds} rounds.

${table(
  ["patches/s: median (min-max)", ...peers],
  [...results].map(([name, speeds]) => [name, ...peers.map((peer) => formatted(speeds[peer]))]),
)}

${table(
  ["goal", "measured", ""],
  goals.filter(({ of }) => results.has(of)).map((goal) => judged(goal, results.get(goal.of))),
)}`;
  });
}

function judged({ of, times, peers, perSecond }, speeds) {
  const ours = median(speeds.longhaul);
  if (perSecond !== undefined) {
    return [`${of}: ${short(perSecond)}`, short(ours), ours >= perSecond ? "met" : "missed"];
  }
  const best = peers.reduce((a, b) => (median(speeds[a]) > median(speeds[b]) ? a : b));
  const ratio = ours / median(speeds[best]);
  const whom = peers.length > 1 ? `the best of ${peers.join(", ")}` : best;
  return [`${of}: ${times} of ${whom}`, `${ratio.toFixed(2)} of ${best}`, ratio >= times ? "met" : "missed"];
}

/** Patches a second of each peer, one number for each round. */
async function measure(page, clock, of, peers, rounds) {
  await page.evaluate((of) => globalThis.bench.open(of), of);
  const time = async (peer, frames) => {
    await page.evaluate(([peer, frames]) => globalThis.bench.prepare(peer, frames), [peer, frames]);
    const startMs = await clock();
    await page.evaluate(() => globalThis.bench.run());
    const ms = (await clock()) - startMs;
    await page.evaluate(() => globalThis.bench.check());
    return ms;
  };
  // The cost of a call into the page is 1 ms or so.
  const empty = [];
  for (let i = 0; i < 5; i++) empty.push(await time(peers[0], 0));
  const frames = {};
  for (const peer of peers) {
    let count = 2;
    for (let ms = 0; count < framesMax && ms < measurementMs; count = Math.min(count * 2, framesMax)) {
      ms = (await time(peer, count)) - median(empty);
      if (ms >= measurementMs) break;
    }
    frames[peer] = count;
  }
  const speeds = Object.fromEntries(peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    empty.push(await time(peers[0], 0));
    for (const peer of shuffled(peers)) {
      const ms = (await time(peer, frames[peer])) - median(empty);
      speeds[peer].push((frames[peer] * of.perFrame * 1_000) / ms);
    }
  }
  return speeds;
}

function formatted(speeds) {
  const [middle, min, max] = [median(speeds), Math.min(...speeds), Math.max(...speeds)].map(short);
  return `${middle} (${min}-${max})`;
}

/** Three digits at most: 1.21M, 298k, 3.9k, 425. */
function short(perSecond) {
  const [number, unit] =
    perSecond >= 1e6 ? [perSecond / 1e6, "M"] : perSecond >= 1e3 ? [perSecond / 1e3, "k"] : [perSecond, ""];
  return `${number >= 100 ? Math.round(number) : number.toFixed(number >= 10 ? 0 : 1)}${unit}`;
}
