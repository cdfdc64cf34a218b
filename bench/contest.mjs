// Runs a bench of receivers: the rounds of each case in a page, and the tables.

import { mkdirSync, rmSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { threadClock, withPage } from "./browser.mjs";
import { median, shuffled, table } from "./stats.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** Messages in a measurement, chosen so that it takes about 5 ms. */
const messages = { 60: 4_096, 1024: 768 };
/** Measurements of each peer before the first that counts. */
const warmUps = 3;
/** On a busy machine a case ends after this time, ms, but not before this many rounds. */
const caseMs = 13_000;
const roundsMin = 7;
const roundsUsual = 21;

const noCase = { topics: 1, hasIds: false, isPlain: false };

/**
 * Builds the page in `folder` and runs the cases whose name contains `only`. Returns the section
 * for RESULTS.md. Explicit rounds all run. With an `echoUrl` the frames come over a real socket
 * from there.
 */
export async function contest({ name, folder, cases, rounds = roundsUsual, only, executablePath, echoUrl }) {
  const out = await buildPage(name, folder);
  const folders = { "/": out, "/longhaul/": join(dirname(here), "js/dist") };
  return withPage({ folders, executablePath }, async (page, version) => {
    await page.waitForFunction(() => "bench" in globalThis);
    const clock = await threadClock(page);
    const peers = await page.evaluate(() => globalThis.bench.peers);
    if (echoUrl !== undefined) await page.evaluate((url) => globalThis.bench.connect(url), echoUrl);
    const results = [];
    for (const of of cases.filter(({ name }) => name.includes(only))) {
      const speeds = await measureCase(page, clock, { ...noCase, ...of }, peers, rounds);
      results.push({ of, speeds });
      console.log(
        `\n${of.name}\n${table(
          columns,
          peers.map((peer) => row(peer, speeds)),
        )}`,
      );
    }
    return report(results, peers, { name, rounds, version });
  });
}

/**
 * Bundles `page.ts` beside `index.html` and returns the folder. The built package stays at its own
 * address.
 */
export async function buildPage(name, folder) {
  const out = join(here, "results", name);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await build({
    entryPoints: [
      { in: join(folder, "page.ts"), out: "page" },
      { in: join(here, "index.html"), out: "index" },
    ],
    loader: { ".html": "copy" },
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    external: ["longhaul"],
    outdir: out,
    logLevel: "warning",
  });
  return out;
}

/** Messages a second of each peer, one number for each round. */
async function measureCase(page, clock, of, peers, rounds) {
  await page.evaluate((of) => globalThis.bench.open(of), of);
  const time = async (peer, frames) => {
    await page.evaluate(([peer, frames]) => globalThis.bench.prepare(peer, frames), [peer, frames]);
    await page.evaluate(() => globalThis.bench.upload());
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
    // The cost of a call into the page is 1 ms or so.
    empty.push(await time("raw", 0));
    for (const peer of shuffled(peers)) {
      const ms = await time(peer, frames);
      if (round >= 0) speeds[peer].push((messages[of.payloadBytes] / (ms - median(empty))) * 1_000);
    }
  }
  return speeds;
}

const columns = ["peer", "messages/s", "min", "max", "x raw"];

function row(peer, speeds) {
  const all = speeds[peer];
  return [peer, ...[median(all), Math.min(...all), Math.max(...all)].map(thousands), ratio(peer, speeds)];
}

/** Median of the ratios to raw within each round, which removes slow phases that all share. */
function ratio(peer, speeds) {
  return median(speeds[peer].map((speed, round) => speed / speeds.raw[round])).toFixed(2);
}

function thousands(perSecond) {
  return `${Math.round(perSecond / 1_000)}k`;
}

function report(results, peers, { name, rounds, version }) {
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
  const done = results.map(({ speeds }) => speeds.raw.length);
  return `\`npm run bench -- ${name}${rounds === roundsUsual ? "" : ` --rounds ${rounds}`}\`, ${machine(version)}, \
${Math.min(...done)} to ${Math.max(...done)} rounds a case.

${ratios}

${speeds}`;
}

/** When and where a table was made. */
export function machine(version) {
  const cores = cpus();
  return `${new Date().toISOString().slice(0, 10)}, headless Chromium ${version}, ${cores.length} x \
${cores[0]?.model.trim() ?? "unknown CPU"}, load ${loadavg()[0].toFixed(1)}`;
}
