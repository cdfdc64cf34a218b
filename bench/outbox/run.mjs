// Compares outboxes: publications made durable a second, and sent, beside the libraries that apps
// use today. It measures wall time, because most of the work is outside of the page's main thread.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withPage } from "../browser.mjs";
import { buildPage, machine } from "../contest.mjs";
import { median, shuffled, table } from "../stats.mjs";

const here = dirname(fileURLToPath(import.meta.url));

const roundsUsual = 9;
const warmUps = 1;
const oneByOne = 500;
const overlapping = 2_000;
const measures = { oneByOne: "one by one", overlapping: "overlapping calls", drain: "drain" };
/** The peer whose speed the others are compared with. */
const floor = "hand-written";

/** Measures all peers whose name contains `only`. Returns the section for RESULTS.md. */
export async function outbox({ rounds = roundsUsual, only, executablePath }) {
  const folders = {
    "/": await buildPage("outbox", here),
    "/longhaul/": join(dirname(dirname(here)), "js/dist"),
  };
  return withPage({ folders, executablePath }, async (page, version) => {
    await page.waitForFunction(() => "outbox" in globalThis);
    const all = await page.evaluate(() => globalThis.outbox.peers);
    const peers = all.filter((name) => name === floor || name.includes(only));
    const speeds = Object.fromEntries(peers.map((peer) => [peer, []]));
    for (let round = -warmUps; round < rounds; round++) {
      for (const peer of shuffled(peers)) {
        const of = await page.evaluate(
          ([peer, oneByOne, overlapping]) => globalThis.outbox.measure(peer, oneByOne, overlapping),
          [peer, oneByOne, overlapping],
        );
        if (round >= 0) speeds[peer].push(of);
      }
    }
    return report(speeds, peers, version, rounds);
  });
}

function report(speeds, peers, version, rounds) {
  const keys = Object.keys(measures);
  const numbers = (peer, key) => speeds[peer].map((of) => of[key]);
  const cell = (peer, key) => {
    const all = numbers(peer, key);
    const [middle, min, max] = [median(all), Math.min(...all), Math.max(...all)].map(Math.round);
    return `${middle} (${min}-${max})`;
  };
  // Compared within a round, so that slow phases which all share do not matter.
  const ratio = (peer, key) =>
    median(numbers(peer, key).map((speed, round) => speed / speeds[floor][round][key])).toFixed(2);
  const ratios = peers.map((peer) => [peer, ...keys.map((key) => ratio(peer, key))]);
  const rows = peers.map((peer) => [peer, ...keys.map((key) => cell(peer, key))]);
  return `\`npm run bench -- outbox\`, ${machine(version)}, ${rounds} rounds.

${table([`x ${floor}`, ...Object.values(measures)], ratios)}

${table(["rows/s: median (min-max)", ...Object.values(measures)], rows)}`;
}
