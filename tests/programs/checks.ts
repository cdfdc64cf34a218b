// The end of a program: waits until everything has settled, then checks what the notes do not show:
// outbox counts, documents, the app's own database, and what closed clients leave in their pages.

import { type ClientView, firstUnsettled } from "./agent.js";
import { type Environment, settleMs } from "./environment.js";
import { type Faults, outboxName } from "./faults.js";
import { post } from "./logs.js";
import { documents, topics } from "./program.js";
import { checkPromises } from "./promises.js";
import type { Tabs } from "./tabs.js";

/**
 * One program in so many collects garbage, to see what closed clients leave. Chosen: it takes time.
 */
const collectEvery = 32;

/**
 * How long the collector has, ms of real time. Chosen: no check in 2,000 programs took more than
 * four collections, which are some 150 ms.
 */
const collectMs = 5_000;

/** The pause between two collections, ms of real time: V8's other threads hold their work. */
const collectPauseMs = 5;

/** How long all profiles have to send what they stored, before the first check, ms. */
const firstMs = 5_000;

/** The pause between two checks whether everything has settled, ms. */
const checkMs = 500;

/** The pause between two checks of all documents, ms. Each check reads them from the hub. */
const documentMs = 5_000;

/** The pause between two checks of the outbox counts, ms, and the number of checks. */
const countMs = 10_000;
const countChecks = 7;

/** How long rows() and flush() may take at the end, ms. */
const outboxMs = 60_000;

/** A passive subscription receives a message up to a minute later; this is a little more, ms. */
const passiveMs = 65_000;

/** How long close() may take, and how long what it began in storage may run, ms. */
const closeMs = 10_000;

export class Checks {
  readonly #env: Environment;
  readonly #faults: Faults;
  readonly #tabs: Tabs;
  readonly #nextNo: () => number;
  readonly #found: string[] = [];

  /** `nextNo` numbers the publications that the checks make. */
  constructor(env: Environment, faults: Faults, tabs: Tabs, nextNo: () => number) {
    this.#env = env;
    this.#faults = faults;
    this.#tabs = tabs;
    this.#nextNo = nextNo;
  }

  /** Runs once all faults are over. Resolves with what is wrong. */
  async run(): Promise<string[]> {
    const { model, world } = this.#env;
    await this.#settle();
    await this.#emptyOutboxes();
    await this.#compareLogs();
    await this.#checkOutboxes();
    await this.#checkDocuments();
    this.#found.push(...checkPromises(model));
    await this.#checkClosed();
    await this.#checkOwnDatabase();
    for (const error of world.uncaught) this.#found.push(`nobody caught: ${String(error)}`);
    return this.#found;
  }

  async #settle(): Promise<void> {
    const { program, world } = this.#env;
    this.#tabs.connectAll();
    await this.#env.pass(firstMs);
    this.#tabs.connectAll();
    const untilMs = world.nowMs + settleMs;
    while (this.#unsettled() !== undefined && world.nowMs < untilMs) {
      await this.#env.pass(checkMs);
      if (program.deadLetterPolicy === "pause")
        for (const agent of this.#tabs.agents) void agent.discardDeadLetters();
      this.#tabs.connectAll();
    }
    for (const agent of this.#tabs.agents) agent.stopListening();
    const why = this.#unsettled();
    if (why !== undefined) this.#found.push(`does not settle: ${why}`);
  }

  /** The first client or promise that has not settled, and why. */
  #unsettled(): string | undefined {
    return firstUnsettled(this.#views()) ?? this.#env.model.unsettled();
  }

  #views(): ClientView[] {
    return this.#tabs.agents.flatMap((agent) => agent.views());
  }

  /**
   * Waits for storage that could not be opened: the client tries again within a minute, and then
   * reports and sends what earlier pages left there.
   */
  async #emptyOutboxes(): Promise<void> {
    for (let checks = 0; checks < countChecks; checks++) {
      const read = this.#tabs.agents.map((agent) => this.#env.wait(agent.outboxCounts(), outboxMs));
      const isDone = (await Promise.all(read))
        .flat()
        .every((it) => it?.rows === 0 && it.listed[0] === 0 && it.listed[1] === it.deadLetters);
      if (isDone) return;
      await this.#env.pass(countMs);
    }
  }

  /** Publishes a last message to each topic, and waits until every subscription has received it. */
  async #compareLogs(): Promise<void> {
    const { model, read } = this.#env;
    await this.#faults.readLogs();
    for (const topic of topics) void post(read, topic, this.#nextNo()).catch(() => {});
    await this.#env.pass(1_000);
    await this.#faults.readLogs();
    await this.#env.pass(passiveMs, () => model.areUpToDate());
    await this.#faults.readLogs();
  }

  /** The counts of each outbox agree with each other, and nothing is left in it. */
  async #checkOutboxes(): Promise<void> {
    for (const agent of this.#tabs.agents) {
      const clients = await this.#env.wait(agent.outboxCounts(), outboxMs);
      if (clients === undefined) this.#found.push("rows() or flush() does not settle at the end");
      for (const { name, rows, deadLetters, listed, flushed } of clients ?? []) {
        if (typeof rows === "number" && (listed[0] !== rows || listed[1] !== deadLetters))
          this.#found.push(
            `${name}: ${rows} rows and ${deadLetters} dead letters, ` +
              `and ${listed.join(" and ")} by the last event`,
          );
        if (rows !== 0) this.#found.push(`${name}: rows() has ${rows} at the end`);
        if (flushed !== "") this.#found.push(`${name}: flush at the end: ${flushed}`);
      }
    }
  }

  /** Every follower has the hub's value; a slow line may need time for it. */
  async #checkDocuments(): Promise<void> {
    const { world } = this.#env;
    const untilMs = world.nowMs + settleMs;
    let differing = await this.#differing();
    while (differing.length > 0 && world.nowMs < untilMs) {
      await this.#env.pass(documentMs);
      differing = await this.#differing();
    }
    this.#found.push(...differing);
  }

  /** The documents that differ from the hub's. */
  async #differing(): Promise<string[]> {
    const found: string[] = [];
    for (const topic of documents) {
      const response = await this.#env.wait(this.#env.read(`/v1/topics/${topic}`).catch(() => undefined));
      // Rule P8: a document that nobody has written is null.
      const value: unknown = response?.ok ? await this.#env.wait(response.json()) : null;
      for (const { name, documents } of this.#views()) {
        for (const followed of documents) {
          if (followed.name === topic) found.push(...differences(name, followed, value));
        }
      }
    }
    return found;
  }

  /** A page keeps nothing of closed clients. */
  async #checkClosed(): Promise<void> {
    for (const agent of this.#tabs.agents) {
      const isClosed = await this.#env.wait(
        agent.closeAll().then(() => true),
        closeMs,
      );
      if (isClosed !== true) this.#found.push("close does not settle");
    }
    // Other tabs may still send messages to closed clients, and storage completes what they began.
    await this.#env.pass(closeMs);
    const isCollected = this.#env.seed % collectEvery === 0;
    if (isCollected) await this.#collect();
    for (const left of this.#left(isCollected)) this.#found.push(`after close a page still has ${left}`);
  }

  /** Collects garbage until nothing is left. One collection may make another one free more. */
  async #collect(): Promise<void> {
    const untilMs = performance.now() + collectMs;
    while (this.#left(true).length > 0 && performance.now() < untilMs) {
      // Reading a weak reference keeps its target until the task ends.
      await this.#env.world.settle();
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, collectPauseMs));
    }
  }

  /**
   * Everything that the package has left in pages. Wasm instances count after a collection only.
   */
  #left(isCollected: boolean): string[] {
    const left = this.#tabs.pages.flatMap((page) => page.left);
    return left.filter((each) => isCollected || !each.endsWith("of a wasm"));
  }

  /** The package does not touch the app's own database. */
  async #checkOwnDatabase(): Promise<void> {
    const { model, profiles, program } = this.#env;
    const { databases, name } = profiles.B;
    if (program.second !== "own database" || model.isRemoved(name)) return;
    if ((await this.#env.wait(databases.hasOwn(outboxName))) !== true)
      this.#found.push("the app's own database has changed");
  }
}

function differences(client: string, seen: ClientView["documents"][number], value: unknown): string[] {
  const wanted = JSON.stringify(value);
  return (["value", "confirmed", "last"] as const).flatMap((what) => {
    const is = JSON.stringify(seen[what]);
    return is === wanted
      ? []
      : [`${client}: ${what} of ${seen.name} is ${shorten(is)}, the hub has ${shorten(wanted)}`];
  });
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
