// A browser that is killed over and over while its tabs publish; afterwards the books must balance.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { Hub } from "../e2e/support/hub.js";
import { type FaultProxy, startFaultProxy } from "../e2e/support/proxies.js";
import { Killable } from "./support/chromium.js";
import { faultsOf, type History } from "./support/conservation.js";
import { Dice } from "./support/dice.js";
import { Ledger } from "./support/ledger.js";

const kills = Number(process.env["LONGHAUL_KILLS"] ?? 100);
const seed = Number(process.env["LONGHAUL_SEED"] ?? 1);

/** A run that gets nowhere is killed after this time, ms. Chosen: a start takes a second, three on a busy machine. */
const runMs = 15_000;
/** How long all that is queued may take to be sent, ms. */
const flushMs = 60_000;
/** More than a run brings, so that the hub's log is whole. */
const keepAll = ["--retain-entries", "1000000", "--retain-ms", "86400000"];

let hub: Hub;
let line: FaultProxy;
let ledger: Ledger;
let profile: string;
const dice = new Dice(seed);

test.beforeAll(async () => {
  hub = await Hub.start(keepAll);
  line = await startFaultProxy(Number(new URL(hub.url).port));
  ledger = await Ledger.serve(dice);
  profile = mkdtempSync(join(tmpdir(), "longhaul-kills-"));
});

test.afterAll(async () => {
  ledger.close();
  await line.stop();
  await hub.kill();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
});

test(`s01 s02 s05 i16: ${kills} kills of a browser with two tabs lose, double and reorder nothing`, async () => {
  test.setTimeout(kills * 10_000 + 2 * flushMs);
  const faults: string[] = [];
  let productive = 0;
  for (let run = 1; run <= kills; run++) {
    const before = ledger.durable.length;
    await live(run);
    if (ledger.durable.length > before) productive++;
    if (run % 20 > 0 && run < kills) continue;
    const history = await books();
    faults.push(...faultsOf(history));
    console.log(`  seed ${seed}, ${run} kills: ${counted(history)}, ${productive} runs with receipts`);
    expect({ faults, failures: ledger.failures }).toEqual({ faults: [], failures: [] });
  }
  // What was never killed in the act proves nothing.
  expect(productive).toBeGreaterThan(kills / 2);

  await line.setFaults();
  const flushed = await flush();
  expect(faultsOf(flushed)).toEqual([]);
  expect(flushed.queued).toEqual([]);
  console.log(`  flushed: ${counted(flushed)}`);
});

/** Starts the browser, with a good or a bad line, and kills it at a moment drawn by lot. */
async function live(run: number): Promise<void> {
  const isOffline = dice.below(3) === 0;
  await line.setFaults(isOffline ? { accept: "reset" } : {});
  ledger.begin(run);
  const browser = new Killable(profile, address(run));
  const isEarly = dice.below(5) === 0;
  const cutAfter = dice.below(4) === 0 ? 1 + dice.below(20) : undefined;
  // A long run now and then, so that much is acknowledged between two kills too.
  const reports = 1 + dice.below(dice.below(4) === 0 ? 300 : 40);
  const later = dice.below(isEarly ? 1_500 : 30);
  if (!isEarly) {
    const moments = [ledger.reaches(reports)];
    if (cutAfter !== undefined && cutAfter < reports) {
      moments[0] = ledger.reaches(cutAfter).then(async () => {
        await line.cut();
        await ledger.reaches(reports);
      });
    }
    await Promise.race([...moments, after(runMs), browser.died]);
  }
  await after(later);
  await browser.kill();
}

/** The moment of a kill is a matter of time. */
function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function address(run: number): string {
  return `${ledger.url}?hub=${encodeURIComponent(line.url)}&run=${run}&tabs=ab&tab=a`;
}

/** What the hub and a page that runs no client say. */
async function books(): Promise<History> {
  const dumped = ledger.dump();
  const browser = new Killable(profile, `${ledger.url}?dump`);
  const dump = await Promise.race([dumped, browser.died]);
  await browser.kill();
  const logs: Record<string, { seq: number; n: number }[]> = {};
  for (const topic of Ledger.topics) logs[topic] = await logOf(topic);
  const { orders, durable, acks } = ledger;
  return { orders, durable, acks, dead: [], queued: marksIn(dump), logs };
}

/** Lets pages that publish nothing send what is queued, until nothing is. */
async function flush(): Promise<History> {
  const untilMs = Date.now() + flushMs;
  for (;;) {
    const history = await books();
    if (history.queued.length === 0 || Date.now() > untilMs) return history;
    ledger.dump();
    const browser = new Killable(profile, address(kills + 1));
    const queued = new Set(history.queued);
    const isSent = async () => {
      for (const topic of Ledger.topics) for (const { n } of await logOf(topic)) queued.delete(n);
      return queued.size === 0;
    };
    while (!(await isSent()) && Date.now() < untilMs) await Promise.race([after(200), browser.died]);
    await browser.kill();
  }
}

async function logOf(topic: string): Promise<{ seq: number; n: number }[]> {
  const log: { seq: number; n: number }[] = [];
  for (;;) {
    const response = await fetch(`${hub.url}/v1/topics/${topic}?from=${log.length + 1}`);
    const { entries } = (await response.json()) as { entries: { seq: number; data: { mark: number } }[] };
    if (entries.length === 0) return log;
    log.push(...entries.map(({ seq, data }) => ({ seq, n: data.mark })));
  }
}

/** The numbers of the messages that a dump holds, whether their payloads are values or text. */
function marksIn(dump: string): number[] {
  return [...dump.matchAll(/mark\\*":(\d+)/g)].map(([, n]) => Number(n));
}

function counted({ orders, durable, acks, queued, logs }: History): string {
  const appended = Object.values(logs).reduce((sum, log) => sum + log.length, 0);
  return `${orders.length} orders, ${durable.length} durable, ${acks.length} acked, ${appended} in the log, ${queued.length} queued`;
}
