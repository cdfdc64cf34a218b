// `npm run programs`: random programs on the shipped files. Each has a seed that repeats it.

import { fork } from "node:child_process";
import { setMaxListeners } from "node:events";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { Shipped } from "./browser/shipped.js";
import { Coverage, type CoverageData } from "./coverage.js";
import {
  clockFaults,
  lineOf,
  networkFaults,
  type Program,
  programs,
  storageFaults,
  tokenFaults,
} from "./program.js";
import { type Outcome, run } from "./run.js";

/** How long fast-check may make a failing program smaller, ms of real time. */
const shrinkMs = 40_000;

/** How many lines say what is wrong with a failing program. */
const linesMax = 12;

/** The programs of one `npm test`. In so many, every call must meet every fault. */
const completeCount = 2_000;

/**
 * V8's compiler thread holds the functions that it compiles, and with them the wasm of their page.
 * With that thread 14 of 62 checks in 2,000 programs took more than one collection; without it none
 * of 65.
 */
const workerFlags = ["--expose-gc", "--enable-source-maps", "--no-concurrent-recompilation"];

interface Report {
  programs: number;
  tasks: number;
  hours: number;
  cpuSeconds: number;
  failures: { seed: number; text: string }[];
  coverage: CoverageData;
}

async function runMany(
  seeds: readonly number[],
  folder: string,
  options: { keepGoing: boolean },
): Promise<Report> {
  const shipped = new Shipped(folder);
  const coverage = new Coverage();
  const report: Report = {
    programs: 0,
    tasks: 0,
    hours: 0,
    cpuSeconds: 0,
    failures: [],
    coverage: coverage.data,
  };
  for (const seed of seeds) {
    let first: Outcome | undefined;
    const property = fc.asyncProperty(programs, async (program) => {
      const outcome = await run(program, seed, shipped, first === undefined ? coverage : new Coverage());
      first ??= outcome;
      if (outcome.found.length > 0) throw new Error(outcome.found.join("\n"));
    });
    const details = await fc.check(property, {
      seed,
      numRuns: 1,
      unbiased: true,
      interruptAfterTimeLimit: shrinkMs,
      endOnFailure: process.env["LONGHAUL_SHRINK"] === "0",
    });
    report.programs += 1;
    if (first === undefined) {
      // A program that did not end has not passed.
      report.failures.push({ seed, text: `it takes longer than ${shrinkMs / 1_000} s` });
      if (!options.keepGoing) break;
      continue;
    }
    report.tasks += first.tasks;
    report.hours += first.nowMs / 3_600_000;
    if (details.failed && details.counterexample !== null) {
      const [program] = details.counterexample;
      const { found, trace } = await run(program, seed, shipped, new Coverage());
      const lines = found.length > 0 ? found : [`not again: ${String(details.errorInstance)}`];
      report.failures.push({
        seed,
        text: [print(program), "", ...trace, "", ...lines.slice(0, linesMax)].join("\n"),
      });
      if (!options.keepGoing) break;
    }
  }
  const { user, system } = process.cpuUsage();
  report.cpuSeconds = (user + system) / 1_000_000;
  report.coverage = coverage.data;
  return report;
}

function print({ steps, ...setup }: Program): string {
  return [JSON.stringify(setup), ...steps.map(lineOf)].join("\n");
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      count: { type: "string" },
      dist: { type: "string", default: "js/dist" },
      workers: { type: "string", default: "2" },
      "keep-going": { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
    },
  });
  const from = Number(positionals[0] ?? 1);
  const count = Number(values.count ?? (positionals[0] === undefined ? completeCount : 1));
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(count) || count < 1) {
    console.error("usage: npm run programs -- [SEED] [--count N] [--keep-going]");
    process.exit(1);
  }
  const workers = Math.min(Number(values.workers), count);
  const startMs = performance.now();
  const lists = Array.from({ length: workers }, (_, worker) =>
    Array.from({ length: Math.ceil((count - worker) / workers) }, (_, i) => from + worker + i * workers),
  );
  const reports = await Promise.all(
    lists.map((seeds) => inProcess(seeds, values.dist, values["keep-going"])),
  );
  const coverage = new Coverage();
  for (const report of reports) coverage.join(report.coverage);
  const sum = (of: (report: Report) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const failures = reports.flatMap((report) => report.failures).sort((a, b) => a.seed - b.seed);
  for (const { seed, text } of failures) console.log(`\nprogram ${seed} fails:\n${text}`);
  const seconds = (performance.now() - startMs) / 1_000;
  console.log(
    `${sum((report) => report.programs)} programs from ${from} on, ${sum((report) => report.tasks)} tasks, ` +
      `${Math.round(sum((report) => report.hours))} hours of virtual time in ${seconds.toFixed(1)} s ` +
      `(${sum((report) => report.cpuSeconds).toFixed(1)} s of CPU); ${failures.length} failed`,
  );
  if (failures.length > 0) {
    console.log(`again: npm run programs -- ${failures[0]?.seed}`);
    process.exit(1);
  }
  if (count >= completeCount) {
    const faults = [...networkFaults, ...storageFaults, ...clockFaults, ...tokenFaults, "loading"];
    const calls = coverage.data.calls.map(([name]) => name);
    const missing = coverage.missing(calls, faults);
    console.log(`${calls.length} calls met ${faults.length} faults: ${coverage.data.met.length} pairs`);
    if (missing.length > 0) {
      console.log(`never met: ${missing.join(", ")}`);
      process.exit(1);
    }
  }
}

function inProcess(seeds: readonly number[], folder: string, keepGoing: boolean): Promise<Report> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1] ?? "", ["--worker"], {
      execArgv: [...workerFlags, ...process.execArgv],
    });
    child.on("message", (report: Report) => resolve(report));
    child.on("exit", (code) => reject(new Error(`a worker ended with ${code}`)));
    child.send({ seeds, folder, keepGoing });
  });
}

setMaxListeners(0);
if (process.argv[2] === "--worker") {
  process.once(
    "message",
    ({ seeds, folder, keepGoing }: { seeds: number[]; folder: string; keepGoing: boolean }) => {
      runMany(seeds, folder, { keepGoing }).then(
        (report) => process.send?.(report, () => process.exit(0)),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    },
  );
} else {
  main().catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}
