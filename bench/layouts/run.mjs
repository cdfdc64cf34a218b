// Frame layouts, on the client's receive path: the case, the rounds, the table. docs/decisions.md says what came of it.

import { mkdirSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { threadClock, withPage } from "../browser.mjs";
import { median, table } from "../stats.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));

const cases = [
  { name: "60 B, 1 a frame", payloadBytes: 60, perFrame: 1 },
  { name: "60 B, 16 a frame", payloadBytes: 60, perFrame: 16 },
  { name: "60 B, 64 a frame", payloadBytes: 60, perFrame: 64 },
  { name: "1 KB, 1 a frame", payloadBytes: 1024, perFrame: 1 },
  { name: "1 KB, 16 a frame", payloadBytes: 1024, perFrame: 16 },
  { name: "1 KB, 64 a frame", payloadBytes: 1024, perFrame: 64 },
  { name: "60 B, 1 a frame, ids", payloadBytes: 60, perFrame: 1, hasIds: true },
  { name: "60 B, 16 a frame, ids", payloadBytes: 60, perFrame: 16, hasIds: true },
  { name: "60 B, 64 a frame, ids", payloadBytes: 60, perFrame: 64, hasIds: true },
  { name: "60 B, 1 a frame, 100 topics", payloadBytes: 60, perFrame: 1, topics: 100 },
  { name: "60 B, 16 a frame, 100 topics", payloadBytes: 60, perFrame: 16, topics: 100 },
  { name: "60 B, 64 a frame, 100 topics", payloadBytes: 60, perFrame: 64, topics: 100 },
  { name: "60 B, 1 a frame, plain events", payloadBytes: 60, perFrame: 1, isPlain: true },
].map((of) => ({ topics: 1, hasIds: false, isPlain: false, ...of }));

/** Messages a measurement, chosen so that it takes about 5 ms. */
const messages = { 60: 4_096, 1024: 768 };
/** Measurements of each peer before the first that counts. */
const warmUps = 3;
/** On a busy machine a case ends after this time, ms, though not before so many rounds: the whole takes 3 minutes. */
const caseMs = 13_000;
const roundsMin = 7;
const roundsUsual = 21;

/** Runs the cases whose name contains `only`; gives the section for RESULTS.md. Rounds that are asked for are all done. */
export async function layouts({ rounds = roundsUsual, only, executablePath }) {
  const out = join(here, "../results/layouts");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await build({
    entryPoints: [join(here, "page.ts"), join(here, "index.html")],
    loader: { ".html": "copy" },
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    // The package is taken as it is built, at its own address.
    external: ["longhaul"],
    outdir: out,
    logLevel: "warning",
  });
  const folders = { "/": out, "/longhaul/": join(root, "js/dist") };
  return withPage({ folders, executablePath }, async (page, version) => {
    await page.waitForFunction(() => "bench" in globalThis);
    const clock = await threadClock(page);
    const peers = await page.evaluate(() => globalThis.bench.peers);
    const results = [];
    for (const of of cases.filter(({ name }) => name.includes(only))) {
      const speeds = await measureCase(page, clock, of, peers, rounds);
      results.push({ of, speeds });
      console.log(
        `\n${of.name}\n${table(
          columns,
          peers.map((peer) => row(peer, speeds)),
        )}`,
      );
    }
    return report(results, peers, { rounds, version });
  });
}

/** Messages a second of each peer, a number a round. */
async function measureCase(page, clock, of, peers, rounds) {
  await page.evaluate((of) => globalThis.bench.open(of), of);
  const time = async (peer, frames) => {
    await page.evaluate(([peer, frames]) => globalThis.bench.prepare(peer, frames), [peer, frames]);
    const startMs = await clock();
    await page.evaluate(() => globalThis.bench.receive());
    const ms = (await clock()) - startMs;
    await page.evaluate(() => globalThis.bench.check());
    return ms;
  };
  const empty = [];
  const speeds = Object.fromEntries(peers.map((peer) => [peer, []]));
  const frames = messages[of.payloadBytes] / of.perFrame;
  const endMs = Date.now() + caseMs;
  for (let round = -warmUps; round < rounds; round++) {
    if (round >= roundsMin && rounds === roundsUsual && Date.now() > endMs) break;
    // What it costs to ask the page, 1 ms or so.
    empty.push(await time("raw", 0));
    for (const peer of shuffled(peers)) {
      const ms = await time(peer, frames);
      if (round >= 0) speeds[peer].push((messages[of.payloadBytes] / (ms - median(empty))) * 1_000);
    }
  }
  return speeds;
}

function shuffled(array) {
  const result = [...array];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

const columns = ["peer", "messages/s", "min", "max", "x raw"];

function row(peer, speeds) {
  const all = speeds[peer];
  return [peer, ...[median(all), Math.min(...all), Math.max(...all)].map(thousands), ratio(peer, speeds)];
}

/** Median of the ratios to raw within each round: what is slow for all for a while does not show in it. */
function ratio(peer, speeds) {
  return median(speeds[peer].map((speed, round) => speed / speeds.raw[round])).toFixed(2);
}

function thousands(perSecond) {
  return `${Math.round(perSecond / 1_000)}k`;
}

function report(results, peers, { rounds, version }) {
  const ratios = table(
    ["x raw", ...peers],
    results.map(({ of, speeds }) => [of.name, ...peers.map((peer) => ratio(peer, speeds))]),
  );
  const speeds = table(
    ["messages/s: median (min-max)", ...peers],
    results.map(({ of, speeds }) => [
      of.name,
      ...peers.map((peer) => {
        const [, middle, min, max] = row(peer, speeds);
        return `${middle} (${min}-${max})`;
      }),
    ]),
  );
  const cores = cpus();
  const done = results.map(({ speeds }) => speeds.raw.length);
  return `\`npm run bench -- layouts${rounds === roundsUsual ? "" : ` --rounds ${rounds}`}\`, ${new Date().toISOString().slice(0, 10)}, headless Chromium ${version}, \
${cores.length} x ${cores[0]?.model.trim() ?? "unknown CPU"}, \
${Math.min(...done)} to ${Math.max(...done)} rounds a case.

${ratios}

${speeds}`;
}
