// Runs a program: its calls as an app makes them, its faults as the world makes them, then an end without faults in
// which everything has to settle.

import type { Client, Options } from "longhaul";
import { createTestHub, type Line, type TestHub } from "longhaul/testing";
import { Agent, type Look, type PageCall } from "./agent.js";
import type { Page } from "./browser/page.js";
import { Profile } from "./browser/profile.js";
import type { Shipped } from "./browser/shipped.js";
import { type Task, World } from "./browser/world.js";
import type { Coverage } from "./coverage.js";
import { type Log, Model } from "./model.js";
import { globalsOf, networkOf } from "./network.js";
import type { Note } from "./note.js";
import {
  type Call,
  documents,
  type Fault,
  lineOf,
  type Program,
  profiles,
  type Step,
  tabOf,
  topics,
  type Who,
} from "./program.js";

/** How long the hub keeps everything, ms: longer than a program. */
const keptMs = 30 * 86_400_000;

/** The default of `outbox.name`. */
const outboxName = "longhaul";

/** Every so many programs the garbage is collected, to see what a closed client leaves. Chosen: a collection takes some ms. */
const collectEvery = 32;

/** How long the collector has, ms of real time. Chosen: four collections were the most in 2,000 programs, some 150 ms. */
const collectMs = 5_000;

/** Between two collections, ms of real time: V8's other threads hold what they work on. */
const collectPauseMs = 5;

/** How long everything may take to settle once all faults are over, ms. Chosen: the longest waits of the package are a minute. */
const settleMs = 600_000;

/** How long the hub's wasm may take to load, ms of real time. */
const hubMs = 60_000;

/** Between two looks at whether everything has settled, ms. */
const lookMs = 500;

/** Between two looks at whether followers have their documents, ms. A look reads all of them from the hub. */
const documentMs = 5_000;

/** As rule P3 has it. */
interface LogPage {
  readonly epoch: string;
  readonly entries: readonly { seq: number; data: unknown }[];
  readonly firstSeq?: number;
}

/** A tab: pages come and go in it. */
interface Tab {
  readonly profile: Profile;
  readonly session: Map<string, string>;
  page: Page | undefined;
  /** Of the page, for its notes. */
  name: string;
  /** There once the page has evaluated the package. */
  agent: Agent | undefined;
  /** Calls that wait for that: all in one turn. */
  waiting: ((agent: Agent) => void)[];
}

export interface Outcome {
  readonly faults: readonly string[];
  readonly trace: readonly string[];
  readonly tasks: number;
  readonly nowMs: number;
}

/** Whose program runs: what nobody catches is its fault. */
let running: World | undefined;
process.on("uncaughtException", (error) => running?.uncaught.push(error));
process.on("unhandledRejection", (error) => running?.uncaught.push(error));

export async function run(
  program: Program,
  seed: number,
  shipped: Shipped,
  coverage: Coverage,
): Promise<Outcome> {
  return new Run(program, seed, shipped, coverage).go();
}

class Run {
  readonly #program: Program;
  readonly #seed: number;
  readonly #world: World;
  readonly #model = new Model();
  readonly #coverage: Coverage;
  readonly #profiles: readonly Profile[];
  readonly #tabs: readonly Tab[];
  readonly #trace: string[] = [];
  #hub!: TestHub;
  #read!: (path: string, init?: RequestInit) => Promise<Response>;
  #lastNo = 0;
  #lastPage = 0;
  #tokenFault: string | undefined;
  #isDraining = false;
  #hungTokens: (() => void)[] = [];
  /** Where each fault is at present. */
  readonly #activeFaults = new Map<string, string[]>();
  /** Faults that will be over by themselves. */
  readonly #endings = new Set<Task>();
  readonly #dark = new Set<Line>();
  /** Lines on which nothing passes while the logs are read. */
  readonly #held = new Set<Line>();

  constructor(program: Program, seed: number, shipped: Shipped, coverage: Coverage) {
    this.#program = program;
    this.#seed = seed;
    this.#coverage = coverage;
    this.#world = new World(seed);
    this.#profiles = ["A", "B"].map(
      (name) =>
        new Profile(this.#world, shipped, name, {
          hasWorker: !(name === "B" && program.second === "sandboxed"),
          isSandboxed: name === "B" && program.second === "sandboxed",
          connect: (page) => {
            const network = networkOf(this.#hub, page, (line) => {
              line.latencyMs = program.latencyMs;
              line.jitterMs = program.latencyMs / 4;
              line.bytesPerSecond = program.bytesPerSecond ?? Number.POSITIVE_INFINITY;
            });
            this.#lines.add({ profile: page.profile, line: network.line });
            return network;
          },
          met: (fault) => this.#met(fault),
        }),
    );
    const [a, b] = this.#profiles as [Profile, Profile];
    this.#tabs = profiles.map((name) => ({
      profile: name === "A" ? a : b,
      session: new Map(),
      page: undefined,
      name: "",
      agent: undefined,
      waiting: [],
    }));
  }

  readonly #lines = new Set<{ profile: Profile; line: Line }>();

  async go(): Promise<Outcome> {
    globalThis.setImmediate = this.#world.storageStep as unknown as typeof setImmediate;
    running = this.#world;
    try {
      await this.#begin();
      const [, second] = this.#profiles as [Profile, Profile];
      const { second: kind } = this.#program;
      if (kind !== "ordinary") this.#model.unsteady.add(second.name);
      if (kind === "own database") await this.#await(second.databases.makeOwn(outboxName));
      for (const step of this.#program.steps) await this.#step(step);
      await this.#world.pass(this.#world.nowMs + 1);
      return await this.#end();
    } finally {
      for (const { page } of this.#tabs) page?.kill();
      for (const profile of this.#profiles) for (const page of [...profile.pages]) page.kill();
      this.#hub?.close();
      await this.#world.settle();
    }
  }

  async #begin(): Promise<void> {
    const world = this.#world;
    const startMs = Date.UTC(2026, 10, 30);
    const made = createTestHub({
      seed: this.#seed,
      // What acks and listeners named can be looked up at the end.
      limits: { retainMs: keptMs, topicIdleMs: keptMs },
      clock: {
        now: () => startMs + world.nowMs,
        elapsed: () => world.nowMs,
        setTimeout: (task, ms) => world.after(ms, task),
        clearTimeout: (timer) => (timer as Task | undefined)?.cancel(),
      },
    });
    void made.then((hub) => {
      this.#hub = hub;
    });
    // It reads and compiles its wasm in real time, which takes seconds on a busy machine.
    const untilMs = performance.now() + hubMs;
    while (this.#hub === undefined && performance.now() < untilMs) await world.settle();
    const observer = this.#hub.browser();
    this.#read = (path, init) => globalsOf(observer).fetch(`${this.#hub.url}${path}`, init);
  }

  /** A promise of the world's own, while time passes. */
  async #await<T>(promise: Promise<T>, withinMs = settleMs): Promise<T | undefined> {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.#world.pass(this.#world.nowMs + withinMs, () => outcome !== undefined);
    if (outcome === undefined) return undefined;
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  #say(text: string): void {
    this.#trace.push(`${this.#world.nowMs.toFixed(1).padStart(10)} ${text}`);
  }

  #met(fault: string): void {
    this.#say(`  ${fault} strikes`);
    this.#coverage.strike(fault);
  }

  async #step(step: Step): Promise<void> {
    if (step.afterMs > 0) await this.#world.pass(this.#world.nowMs + step.afterMs);
    this.#say(lineOf(step));
    if ("fault" in step) {
      await this.#fault(step);
      return;
    }
    const where = "who" in step ? this.#tab(step.who).profile.name : "A";
    this.#coverage.call(
      step.do,
      [...this.#activeFaults].flatMap(([name, at]) => (at.includes(where) ? [name] : [])),
    );
    await this.#call(step);
  }

  // The world.

  #tab(who: Who): Tab {
    return this.#tabs[tabOf[who]] as Tab;
  }

  /** Runs in the tab's page, which is opened where there is none: at once, or when the package has been evaluated. */
  #inPage(tab: Tab, does: (agent: Agent) => void): void {
    if (tab.agent !== undefined) {
      does(tab.agent);
      return;
    }
    tab.waiting.push(does);
    if (tab.page === undefined) this.#open(tab);
  }

  #open(tab: Tab): void {
    const page = tab.profile.open(tab.session);
    tab.page = page;
    tab.name = `p${++this.#lastPage}.`;
    const load = (): void => {
      page.import("index.js").then(
        (exported) => {
          if (tab.page !== page) return;
          const { connect } = exported as { connect(url: string, options: Options): Client };
          const agent = this.#agent(tab, connect);
          tab.agent = agent;
          for (const does of tab.waiting.splice(0)) does(agent);
        },
        () => {
          // The app's own script did not come: the user loads the page again.
          page.task(1_000, load);
        },
      );
    };
    load();
  }

  #agent(tab: Tab, connect: (url: string, options: Options) => Client): Agent {
    const { poison, resume, token, transports } = this.#program;
    const options = {
      page: tab.name,
      profile: tab.profile.name,
      url: this.#hub.url,
      poison,
      resume,
      transports,
      token: token ? () => this.#token(tab) : undefined,
    };
    const { page } = tab;
    return new Agent(connect, options, (note) => {
      // What a dead page says nobody hears.
      if (page === undefined || page.isDead) return;
      this.#model.note(note);
      const line = told(note);
      if (line !== undefined) this.#say(`  ${line}`);
    });
  }

  #token(tab: Tab): Promise<string> {
    const claims = Buffer.from(JSON.stringify({ sub: tab.profile.name })).toString("base64url");
    const text = `e30.${claims}.x`;
    if (this.#tokenFault === "token fails") {
      this.#met("token fails");
      return Promise.reject(new Error("the login server is away"));
    }
    if (this.#tokenFault === "token hangs") {
      this.#met("token hangs");
      return new Promise((resolve) => this.#hungTokens.push(() => resolve(text)));
    }
    return Promise.resolve(text);
  }

  #pageGone(tab: Tab): void {
    this.#model.gone(tab.name);
    tab.page = undefined;
    tab.agent = undefined;
    tab.waiting = [];
  }

  // Calls.

  async #call(call: Call): Promise<void> {
    switch (call.do) {
      case "reload":
      case "kill": {
        const tab = this.#tab(call.who);
        const { agent, page } = tab;
        if (page === undefined) return;
        this.#pageGone(tab);
        if (call.do === "kill") {
          page.kill();
          tab.session.clear();
          return;
        }
        await page.unload();
        for (const who of agent?.whos ?? [])
          this.#inPage(tab, (next) => next.call({ do: "connect", who }, 0));
        return;
      }
      case "worker": {
        const { profile } = this.#tab(call.who);
        if (call.kill) await profile.killWorker();
        else void profile.sync("longhaul-outbox");
        return;
      }
      case "post":
        this.#post(topics[call.topic] ?? "t/0");
        return;
      default: {
        const no = this.#lastNo + 1;
        if ("count" in call) this.#lastNo += call.count;
        else if (call.do === "patch" || call.do === "inListener") this.#lastNo += 1;
        this.#inPage(this.#tab(call.who), (agent) => agent.call(call satisfies PageCall, no));
      }
    }
  }

  // Faults.

  async #fault(fault: Fault): Promise<void> {
    const { profile } = this.#tab(fault.who);
    const name = fault.fault;
    const pages = [...profile.pages];
    const lines = [...this.#lines].filter((each) => each.profile === profile).map(({ line }) => line);
    const { faults } = profile.databases;
    const isEverywhere = ["restart", "drain", "token fails", "token hangs"].includes(name);
    const over = (end: () => void): void => {
      const at = isEverywhere ? ["A", "B"] : [profile.name];
      this.#activeFaults.set(name, [...(this.#activeFaults.get(name) ?? []), ...at]);
      const ending = this.#world.after(fault.forMs, () => {
        this.#endings.delete(ending);
        this.#say(`  ${name} is over`);
        const left = [...(this.#activeFaults.get(name) ?? [])];
        for (const each of at) left.splice(left.indexOf(each), 1);
        this.#activeFaults.set(name, left);
        end();
      });
      this.#endings.add(ending);
    };
    const isStorage = [
      "quota",
      "abort at commit",
      "open hangs",
      "open fails",
      "deleted",
      "versionchange",
    ].includes(name);
    if (isStorage) this.#model.unsteady.add(profile.name);
    this.#coverage.strike(name);
    switch (fault.fault) {
      case "offline":
        profile.setOnline(false);
        for (const line of lines) line.disconnect();
        over(() => {
          for (const line of lines) line.restore();
          profile.setOnline(true);
        });
        return;
      case "cut":
        for (const line of lines) line.cut();
        over(() => {});
        return;
      case "blackhole":
        for (const line of lines) {
          line.blackHole();
          this.#dark.add(line);
        }
        over(() => {
          for (const line of lines) {
            line.restore();
            this.#dark.delete(line);
          }
        });
        return;
      case "slow":
        for (const line of lines) line.latencyMs = 900;
        over(() => {
          for (const line of lines) line.latencyMs = this.#program.latencyMs;
        });
        return;
      case "websocket":
      case "eventsource":
        for (const line of lines)
          line.block(name as "websocket", this.#world.random() < 0.5 ? "refused" : "silent");
        for (const line of lines) line.cut({ transport: name as "websocket" });
        over(() => {
          for (const line of lines) line.unblock(name as "websocket");
        });
        return;
      case "restart": {
        if (!this.#hub.isUp || this.#isDraining) return;
        const isForgetful = this.#world.random() < 0.5;
        if (isForgetful) await this.#readLast();
        this.#hub.stop();
        this.#release();
        over(() => {
          this.#hub.start({ keepLog: !isForgetful });
          if (isForgetful) this.#model.forgotten();
        });
        return;
      }
      case "drain":
        if (!this.#hub.isUp || this.#isDraining) return;
        this.#isDraining = true;
        void this.#hub.drain();
        over(() => void this.#afterDrain());
        return;
      case "quota":
        faults.isFull = true;
        over(() => {
          faults.isFull = false;
        });
        return;
      case "abort at commit":
        faults.abortsAtCommit += 1 + Math.floor(this.#world.random() * 3);
        over(() => {});
        return;
      case "open hangs":
        faults.hangsOpening = true;
        over(() => profile.databases.release());
        return;
      case "open fails":
        faults.failsOpening = true;
        over(() => {
          faults.failsOpening = false;
        });
        return;
      case "deleted":
        this.#model.removed(profile.name);
        profile.databases.clear();
        over(() => {});
        return;
      case "versionchange":
        // Something of the app deletes the database, and those who have it open are asked to close it.
        this.#model.removed(profile.name);
        profile.databases.remove(outboxName);
        over(() => {});
        return;
      case "jump ahead":
      case "jump back":
        profile.skewMs += (name === "jump ahead" ? 1 : -1) * 3 * 86_400_000;
        over(() => {});
        return;
      case "sleep":
        for (const page of pages) page.freeze();
        over(() => {
          for (const page of pages) page.thaw();
        });
        return;
      case "loading":
        profile.failLoading(fault.file, fault.how, fault.times);
        over(() => {});
        return;
      case "token fails":
      case "token hangs":
        this.#tokenFault = name;
        over(() => this.#healTokens());
        return;
    }
  }

  #healTokens(): void {
    this.#tokenFault = undefined;
    for (const give of this.#hungTokens.splice(0)) give();
  }

  // The end.

  /** Reads the logs of a hub that is about to end: nothing comes between the reading and the end. */
  async #readLast(): Promise<void> {
    for (const { line } of this.#lines) {
      // Nothing passes where it is cut or dark, and that is to stay so.
      if (line.isCut || this.#dark.has(line)) continue;
      line.hold();
      this.#held.add(line);
    }
    await this.#readLogs();
  }

  #release(): void {
    for (const line of this.#held) line.restore();
    this.#held.clear();
  }

  /** A hub that has let its clients go ends, and another one takes its place. */
  async #afterDrain(): Promise<void> {
    await this.#readLast();
    this.#hub.restart();
    this.#model.forgotten();
    this.#isDraining = false;
    this.#release();
  }

  /** The logs that the hub has now. */
  async #readLogs(): Promise<void> {
    for (const topic of topics) {
      const log = await this.#await(this.#readLog(topic), 60_000);
      if (log === undefined || log.entries.length === 0) continue;
      const known = this.#model.logs.get(topic) ?? [];
      this.#model.logs.set(topic, [...known.filter(({ epoch }) => epoch !== log.epoch), log]);
    }
  }

  async #readLog(topic: string): Promise<Log | undefined> {
    const entries: unknown[] = [];
    let firstSeq = 1;
    for (let from = 1; ; ) {
      const response = await this.#read(`/v1/topics/${topic}?from=${from}&limit=1000`).catch(() => undefined);
      if (response === undefined) return undefined;
      const page = (await response.json()) as LogPage;
      if (
        response.status === 410 &&
        page.firstSeq !== undefined &&
        entries.length === 0 &&
        page.firstSeq !== from
      ) {
        firstSeq = page.firstSeq;
        from = firstSeq;
        continue;
      }
      if (!response.ok) return undefined;
      if (page.entries.length === 0) return { epoch: page.epoch, firstSeq, entries };
      entries.push(...page.entries.map(({ data }) => data));
      from = firstSeq + entries.length;
    }
  }

  /** All faults are over. Somebody of every profile is there, and everything settles. */
  async #end(): Promise<Outcome> {
    this.#say("all faults are over");
    for (const ending of this.#endings) ending.cancel();
    for (const profile of this.#profiles) profile.heal();
    for (const { line } of this.#lines) {
      line.restore();
      // What was open in the dark would be found dead by a heartbeat only.
      line.cut();
      line.unblock();
      line.latencyMs = this.#program.latencyMs;
    }
    if (this.#isDraining) await this.#afterDrain();
    else if (this.#hub.isUp) this.#hub.restart({ keepLog: true });
    else this.#hub.start({ keepLog: true });
    this.#healTokens();
    this.#visit();
    await this.#world.pass(this.#world.nowMs + 5_000);
    this.#visit();
    const faults: string[] = [];
    const isSettled = (): string | undefined => this.#unsettled();
    const untilMs = this.#world.nowMs + settleMs;
    while (isSettled() !== undefined && this.#world.nowMs < untilMs) {
      await this.#world.pass(this.#world.nowMs + lookMs);
      if (this.#program.poison === "pause") for (const agent of this.#agents()) void agent.discardLetters();
      this.#visit();
    }
    for (const agent of this.#agents()) agent.stopListening();
    const why = isSettled();
    if (why !== undefined) faults.push(`does not settle: ${why}`);
    await this.#untilEmpty();
    await this.#readLogs();
    for (const topic of topics) this.#post(topic);
    // One that is passive hears of it up to a minute later.
    await this.#world.pass(this.#world.nowMs + 1_000);
    await this.#readLogs();
    await this.#world.pass(this.#world.nowMs + 65_000, () => this.#model.areUpToDate());
    await this.#readLogs();
    await this.#checkQuiet(faults);
    await this.#checkDocuments(faults);
    faults.push(...this.#model.check());
    await this.#checkClosed(faults);
    await this.#checkOwn(faults);
    for (const error of this.#world.uncaught) faults.push(`nobody caught: ${String(error)}`);
    this.#say("the end");
    return { faults, trace: this.#trace, tasks: this.#world.tasksRun, nowMs: this.#world.nowMs };
  }

  /** A client of every profile is there, to send what the profile has stored: a listener may close the last one. */
  #visit(): void {
    for (const who of [0, 2] as const) {
      this.#inPage(this.#tab(who), (agent) => agent.call({ do: "connect", who }, 0));
    }
  }

  #post(topic: string): void {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ no: ++this.#lastNo });
    void this.#read(`/v1/topics/${topic}`, { method: "POST", headers, body }).catch(() => {});
  }

  #agents(): Agent[] {
    return this.#tabs.flatMap(({ agent }) => agent ?? []);
  }

  /** What still has to happen. */
  #unsettled(): string | undefined {
    for (const look of this.#agents().flatMap((agent) => agent.look())) {
      const why = unsettled(look);
      if (why !== undefined) return why;
    }
    return this.#model.unsettled();
  }

  /** Storage that could not be opened is tried again a minute later at most; what earlier pages left there is told and sent then. */
  async #untilEmpty(): Promise<void> {
    for (let looks = 0; looks < 7; looks++) {
      const looked = await Promise.all(this.#agents().map((agent) => this.#await(agent.quiet(), 60_000)));
      const isDone = looked
        .flat()
        .every((it) => it?.rows === 0 && it.listed[0] === 0 && it.listed[1] === it.letters);
      if (isDone) return;
      await this.#world.pass(this.#world.nowMs + 10_000);
    }
  }

  /** The counters of the outbox agree. */
  async #checkQuiet(faults: string[]): Promise<void> {
    for (const agent of this.#agents()) {
      const clients = await this.#await(agent.quiet(), 60_000);
      if (clients === undefined) faults.push("rows() or flush() does not settle at the end");
      for (const { name, rows, letters, listed, flushed } of clients ?? []) {
        if (typeof rows === "number" && (listed[0] !== rows || listed[1] !== letters))
          faults.push(
            `${name}: ${rows} rows and ${letters} dead letters, and ${listed.join(" and ")} by the last event`,
          );
        if (rows !== 0) faults.push(`${name}: rows() has ${rows} at the end`);
        if (flushed !== "") faults.push(`${name}: flush at the end: ${flushed}`);
      }
    }
  }

  /** What the app has stored is none of the package's business. */
  async #checkOwn(faults: string[]): Promise<void> {
    const [, second] = this.#profiles as [Profile, Profile];
    if (this.#program.second !== "own database" || this.#model.isRemoved(second.name)) return;
    if ((await this.#await(second.databases.hasOwn(outboxName))) !== true)
      faults.push("the app's own database has changed");
  }

  /** A page keeps nothing of clients that are closed. */
  async #checkClosed(faults: string[]): Promise<void> {
    for (const agent of this.#agents()) {
      if (
        (await this.#await(
          agent.closeAll().then(() => true),
          10_000,
        )) !== true
      )
        faults.push("close does not settle");
    }
    // What others still tell a client that has just closed, and what it had begun in storage.
    await this.#world.pass(this.#world.nowMs + 10_000);
    const isCollected = this.#seed % collectEvery === 0;
    if (isCollected) await this.#collect();
    for (const left of this.#left(isCollected)) faults.push(`after close a page still has ${left}`);
  }

  /** Collects garbage until nothing is left. What one collection frees lets another one free more; a leak stays. */
  async #collect(): Promise<void> {
    const untilMs = performance.now() + collectMs;
    while (this.#left(true).length > 0 && performance.now() < untilMs) {
      // To look at a weak reference keeps its target for the rest of the task.
      await this.#world.settle();
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, collectPauseMs));
    }
  }

  /** What the package has left in pages; instances of a wasm count where garbage was collected. */
  #left(isCollected: boolean): string[] {
    const left = this.#tabs.flatMap(({ page }) => page?.left ?? []);
    return left.filter((each) => isCollected || !each.endsWith("of a wasm"));
  }

  /** Every follower has what the hub has, once a slow line had its time. */
  async #checkDocuments(faults: string[]): Promise<void> {
    const untilMs = this.#world.nowMs + settleMs;
    let differing = await this.#differing();
    while (differing.length > 0 && this.#world.nowMs < untilMs) {
      await this.#world.pass(this.#world.nowMs + documentMs);
      differing = await this.#differing();
    }
    faults.push(...differing);
  }

  /** What followers have that the hub has not. */
  async #differing(): Promise<string[]> {
    const faults: string[] = [];
    for (const topic of documents) {
      const response = await this.#await(this.#read(`/v1/topics/${topic}`).catch(() => undefined));
      // Rule P8: one that nobody has written is null.
      const value: unknown = response?.ok ? await this.#await(response.json()) : null;
      for (const { name, documents } of this.#agents().flatMap((agent) => agent.look())) {
        for (const followed of documents) {
          if (followed.name === topic) faults.push(...differences(name, followed, value));
        }
      }
    }
    return faults;
  }
}

function unsettled({ name, state, size, pending }: Look): string | undefined {
  if (state !== "connected") return `${name} is ${state}`;
  if (size !== 0) return `${name} has outbox.size ${size}`;
  return pending === 0 ? undefined : `${name} has ${pending} changes pending`;
}

function differences(client: string, seen: Look["documents"][number], value: unknown): string[] {
  const wanted = JSON.stringify(value);
  return (["value", "confirmed", "last"] as const).flatMap((what) => {
    const is = JSON.stringify(seen[what]);
    return is === wanted
      ? []
      : [`${client}: ${what} of ${seen.name} is ${short(is)}, the hub has ${short(wanted)}`];
  });
}

function short(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** A note as people read it; messages would be too many. */
function told(note: Note): string | undefined {
  if (["message", "promised", "subscribed", "published", "receipt", "acked"].includes(note.type))
    return undefined;
  if (note.type === "settled" && note.code === "") return undefined;
  return Object.values(note).join(" ");
}
