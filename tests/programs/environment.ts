// The environment of one program: virtual time, the hub, two browser profiles with their lines, the
// model and the trace. It makes no call and starts no fault.

import { createTestHub, type Line, type TestHub } from "longhaul/testing";
import { Profile } from "./browser/profile.js";
import type { Shipped } from "./browser/shipped.js";
import { type Task, World } from "./browser/world.js";
import type { Coverage } from "./coverage.js";
import { Model } from "./model.js";
import { globalsOf, networkOf } from "./network.js";
import type { Program } from "./program.js";

/** How long the hub keeps everything, ms: longer than a program. */
const keptMs = 30 * 86_400_000;

/** How long the hub's wasm may take to load, ms of real time. */
const hubMs = 60_000;

/** How long everything may take to settle, ms. Chosen: the package's longest waits are a minute. */
export const settleMs = 600_000;

/** The way of one page to the hub. */
export interface PageLine {
  readonly profile: Profile;
  readonly line: Line;
}

export class Environment {
  readonly program: Program;
  readonly seed: number;
  readonly world: World;
  readonly coverage: Coverage;
  readonly model = new Model();
  readonly profiles: { readonly A: Profile; readonly B: Profile };
  /** One line for each page that has existed. */
  readonly lines = new Set<PageLine>();
  readonly trace: string[] = [];
  hub!: TestHub;
  /** Fetches a path of the hub, from a browser that no fault reaches. */
  read!: (path: string, init?: RequestInit) => Promise<Response>;

  constructor(program: Program, seed: number, shipped: Shipped, coverage: Coverage) {
    this.program = program;
    this.seed = seed;
    this.coverage = coverage;
    this.world = new World(seed);
    this.profiles = { A: this.#makeProfile("A", shipped), B: this.#makeProfile("B", shipped) };
  }

  #makeProfile(name: "A" | "B", shipped: Shipped): Profile {
    const { bytesPerSecond, latencyMs, second } = this.program;
    const isSandboxed = name === "B" && second === "sandboxed";
    return new Profile(this.world, shipped, name, {
      hasWorker: !isSandboxed,
      isSandboxed,
      connect: (page) => {
        const network = networkOf(this.hub, page, (line) => {
          line.latencyMs = latencyMs;
          line.jitterMs = latencyMs / 4;
          line.bytesPerSecond = bytesPerSecond ?? Number.POSITIVE_INFINITY;
        });
        this.lines.add({ profile: page.profile, line: network.line });
        return network;
      },
      met: (fault) => this.met(fault),
    });
  }

  get allProfiles(): Profile[] {
    return [this.profiles.A, this.profiles.B];
  }

  async startHub(): Promise<void> {
    const { world } = this;
    const startMs = Date.UTC(2026, 10, 30);
    const made = createTestHub({
      seed: this.seed,
      // The model looks up at the end what acks and listeners named.
      limits: { retainMs: keptMs, topicIdleMs: keptMs },
      clock: {
        now: () => startMs + world.nowMs,
        elapsed: () => world.nowMs,
        setTimeout: (task, ms) => world.after(ms, task),
        clearTimeout: (timer) => (timer as Task | undefined)?.cancel(),
      },
    });
    void made.then((hub) => {
      this.hub = hub;
    });
    // The hub reads and compiles its wasm in real time, which takes seconds on a busy machine.
    const untilMs = performance.now() + hubMs;
    while (this.hub === undefined && performance.now() < untilMs) await world.settle();
    const observer = this.hub.browser();
    this.read = (path, init) => globalsOf(observer).fetch(`${this.hub.url}${path}`, init);
  }

  /** Lets time pass until the promise settles; undefined if it takes longer than `withinMs`. */
  async wait<T>(promise: Promise<T>, withinMs = settleMs): Promise<T | undefined> {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.pass(withinMs, () => outcome !== undefined);
    if (outcome === undefined) return undefined;
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Lets `ms` of virtual time pass, or less if `isOver` holds before. */
  async pass(ms: number, isOver?: () => boolean): Promise<void> {
    await this.world.pass(this.world.nowMs + ms, isOver);
  }

  /** Adds a line to the trace. */
  say(text: string): void {
    this.trace.push(`${this.world.nowMs.toFixed(1).padStart(10)} ${text}`);
  }

  /** Notes that a fault has struck. */
  met(fault: string): void {
    this.say(`  ${fault} strikes`);
    this.coverage.strike(fault);
  }
}
