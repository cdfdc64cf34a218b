// One trial: a browser, a hub, a failing line between them and a ledger beside them. It kills the
// browser and compares what is left.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hub } from "../../e2e/support/hub.js";
import { type FaultProxy, startFaultProxy } from "../../e2e/support/proxies.js";
import type { History } from "./conservation.js";
import { type Engine, Killable } from "./killable.js";
import { Ledger } from "./ledger.js";
import { cutTorn } from "./leveldb.js";
import { Random } from "./random.js";

/**
 * The limit of a run without progress, ms. Chosen: a start takes a second, three on a busy machine.
 */
const runMs = 15_000;
/** How long the browser may take to send all queued rows, ms. */
export const flushMs = 60_000;
/** More messages than a run publishes, so the hub's log is whole. */
const keepAll = ["--retain-entries", "1000000", "--retain-ms", "86400000"];

/** The conditions of one run of the browser. Those left out are random. */
export interface Conditions {
  isOffline?: boolean;
  /** How many orders, receipts and outcomes come before the kill. */
  reports?: number;
}

export class Trial {
  readonly ledger: Ledger;
  readonly #engine: Engine;
  readonly #env: Record<string, string>;
  readonly #hub: Hub;
  readonly #line: FaultProxy;
  readonly #random: Random;
  readonly profile = mkdtempSync(join(tmpdir(), "longhaul-kills-"));
  /** How many of the browser's logs a kill has torn. */
  torn = 0;
  #run = 0;

  private constructor(
    engine: Engine,
    env: Record<string, string>,
    hub: Hub,
    line: FaultProxy,
    ledger: Ledger,
    random: Random,
  ) {
    this.#engine = engine;
    this.#env = env;
    this.#hub = hub;
    this.#line = line;
    this.ledger = ledger;
    this.#random = random;
  }

  static async begin(engine: Engine, seed: number, env: Record<string, string> = {}): Promise<Trial> {
    const random = new Random(seed);
    const hub = await Hub.start(keepAll);
    const line = await startFaultProxy(Number(new URL(hub.url).port));
    return new Trial(engine, env, hub, line, await Ledger.serve(random), random);
  }

  async end(): Promise<void> {
    this.ledger.close();
    await this.#line.stop();
    await this.#hub.kill();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Starts the browser with a good or a bad line, and kills it at a random moment. */
  async runUntilKilled({ isOffline, reports }: Conditions = {}): Promise<void> {
    const random = this.#random;
    const chance = {
      isOffline: random.below(3) === 0,
      isEarly: random.below(5) === 0,
      cutAfter: random.below(4) === 0 ? 1 + random.below(20) : Number.POSITIVE_INFINITY,
      // Some runs are long, so that much is acknowledged between two kills too.
      reports: 1 + random.below(random.below(4) === 0 ? 300 : 40),
    };
    const isEarly = reports === undefined && chance.isEarly;
    const later = random.below(isEarly ? 1_500 : 30);
    const until = reports ?? chance.reports;
    const isDown = isOffline ?? chance.isOffline;
    await this.#line.setFaults(isDown ? { accept: "reset" } : {});
    this.ledger.begin(++this.#run, isDown);
    const browser = this.#start(this.#address());
    if (!isEarly) {
      const moment = this.ledger
        .reaches(Math.min(until, chance.cutAfter))
        .then(() => (chance.cutAfter < until ? this.#line.cut() : undefined))
        .then(() => this.ledger.reaches(until));
      await Promise.race([moment, after(runMs), browser.died]);
    }
    await after(later);
    await browser.kill();
  }

  /** The reports of the hub, and of a page without a client. */
  async history(): Promise<History> {
    const dumped = this.ledger.dump();
    const browser = this.#start(`${this.ledger.url}?dump`);
    const dump = await Promise.race([dumped, browser.died]);
    await browser.kill();
    const logs: Record<string, { seq: number; n: number }[]> = {};
    for (const topic of Ledger.topics) logs[topic] = await this.#log(topic);
    const { orders, durable, acks } = this.ledger;
    const stores = JSON.parse(dump) as Record<string, unknown[]>;
    const read = (name: string): unknown[] => stores[`longhaul/${name}`] ?? [];
    const queued = marksIn([...read("rows"), ...read("packs")]);
    return { orders, durable, acks, queued, dead: marksIn(read("letters")), logs };
  }

  /**
   * Opens pages that publish nothing and send all queued rows over a good line, until they report
   * an empty outbox. Another tab or the worker may be storing that just then; a kill would leave
   * rows that are sent once more.
   */
  async flush(): Promise<History> {
    await this.#line.setFaults();
    const untilMs = Date.now() + flushMs;
    for (;;) {
      const flushed = this.ledger.flush();
      this.#run++;
      const browser = this.#start(this.#address());
      await Promise.race([flushed, after(untilMs - Date.now()), browser.died]);
      await browser.kill();
      const history = await this.history();
      if (history.queued.length === 0 || Date.now() > untilMs) return history;
    }
  }

  #start(url: string): Killable {
    if (this.#engine === "chromium") this.torn += cutTorn(this.profile);
    return new Killable(this.#engine, this.profile, url, this.#env);
  }

  /** With Background Sync a service worker sends beside the tabs. Once installed, it stays. */
  #address(): string {
    const worker = this.#engine === "chromium" && this.#run > 1 ? "&worker" : "";
    return `${this.ledger.url}?hub=${encodeURIComponent(this.#line.url)}&run=${this.#run}&tabs=ab&tab=a${worker}`;
  }

  async #log(topic: string): Promise<{ seq: number; n: number }[]> {
    const log: { seq: number; n: number }[] = [];
    for (;;) {
      const response = await fetch(`${this.#hub.url}/v1/topics/${topic}?from=${log.length + 1}`);
      const { entries } = (await response.json()) as { entries: { seq: number; data: { mark: number } }[] };
      if (entries.length === 0) return log;
      log.push(...entries.map(({ seq, data }) => ({ seq, n: data.mark })));
    }
  }
}

/** Waits this long. Random waits decide the moment of a kill. */
function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The numbers of the messages in a store's rows, whose payloads are text. */
function marksIn(rows: unknown[]): number[] {
  return [...JSON.stringify(rows).matchAll(/"{\\"mark\\":(\d+)}"/g)].map(([, n]) => Number(n));
}

export function counted({ orders, durable, acks, queued, logs }: History): string {
  const appended = Object.values(logs).reduce((sum, log) => sum + log.length, 0);
  return `${orders.length} orders, ${durable.length} durable, ${acks.length} acked, ${appended} in the log, ${queued.length} queued`;
}
