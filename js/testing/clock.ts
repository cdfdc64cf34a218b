// The clocks of a test: the system's clock, and a virtual one that only the test advances.

import type { VirtualClock as Api, Clock, Scope, VirtualClockOptions } from "./api.js";
import { builtIn } from "./node.js";

/**
 * The clock of the globals. It reads them at each call, so that fake timers of a framework work.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout: (task, ms) => globalThis.setTimeout(task, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer as number),
};

interface Timer {
  readonly id: number;
  atMs: number;
  readonly task: () => void;
  /** The period of an interval. */
  readonly everyMs?: number;
}

/** 2024-01-01: without a time of its own, a test always gets the same one. */
const startMs = 1_704_067_200_000;

/**
 * After so many timers without progress of time, the clock reports a loop. Chosen: no program has
 * so many.
 */
const timersMax = 1_000_000;

/**
 * The real turns of the event loop after which everything ready has run. A wasm instance takes two.
 */
const turns = 2;

// The real one, from before the clock replaces it. jsdom in Jest hides Node's.
const realImmediate =
  (globalThis as { setImmediate?: (task: () => void) => void }).setImmediate ??
  builtIn("node:timers")?.setImmediate;

/** Waits for one real turn of the event loop, with its microtasks. */
function turn(): Promise<void> {
  if (realImmediate !== undefined) return new Promise((resolve) => realImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

export function createVirtualClock(options: VirtualClockOptions = {}): Api {
  return new VirtualClock(options.nowMs ?? startMs);
}

class VirtualClock implements Api {
  #elapsedMs = 0;
  #startMs: number;
  #lastId = 0;
  /** Ordered by time, the next one last. */
  readonly #timers: Timer[] = [];
  #immediates: Timer[] = [];
  #advancing: Promise<unknown> = Promise.resolve();
  /** Real work for which time waits. */
  readonly #work = new Set<Promise<unknown>>();

  constructor(nowMs: number) {
    this.#startMs = nowMs;
  }

  now(): number {
    return this.#startMs + Math.floor(this.#elapsedMs);
  }

  elapsed(): number {
    return this.#elapsedMs;
  }

  get timers(): number {
    return this.#timers.length + this.#immediates.length;
  }

  get nextMs(): number | undefined {
    const next = this.#timers.at(-1);
    return next && Math.max(0, next.atMs - this.#elapsedMs);
  }

  setTimeout(task: () => void, ms = 0): number {
    return this.#add({ id: ++this.#lastId, atMs: this.#elapsedMs + atLeast0(ms), task });
  }

  clearTimeout(timer: unknown): void {
    const at = this.#timers.findIndex(({ id }) => id === timer);
    if (at >= 0) this.#timers.splice(at, 1);
    this.#immediates = this.#immediates.filter(({ id }) => id !== timer);
  }

  jump(ms: number): void {
    this.#startMs += ms;
  }

  advance(ms: number): Promise<void> {
    return this.#one(async () => {
      const untilMs = this.#elapsedMs + atLeast0(ms);
      await this.#settle();
      while (this.#runNext(untilMs)) await this.#settle();
      this.#elapsedMs = untilMs;
    });
  }

  until(condition: () => unknown, options: { withinMs?: number } = {}): Promise<void> {
    return this.#one(async () => {
      const untilMs = this.#elapsedMs + (options.withinMs ?? 600_000);
      await this.#settle();
      while (!condition()) {
        if (!this.#runNext(untilMs)) {
          throw new Error(`the condition does not hold after ${Math.round(this.#elapsedMs)} ms of the clock`);
        }
        await this.#settle();
      }
    });
  }

  async waitFor<T>(promise: Promise<T>, options: { withinMs?: number } = {}): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.until(() => isSettled, options);
    return promise;
  }

  track<T>(work: Promise<T>): Promise<T> {
    const done = work.then(
      () => {},
      () => {},
    );
    this.#work.add(done);
    done.then(() => this.#work.delete(done));
    return work;
  }

  settle(): Promise<void> {
    return this.#one(() => this.#settle());
  }

  install(scope: Scope = globalThis): () => void {
    const clock = this;
    const RealDate = scope.Date;
    class VirtualDate extends RealDate {
      constructor(...parts: []) {
        // Arguments of `new Date(...)` pass through.
        super(...(parts.length === 0 ? ([clock.now()] as unknown as []) : parts));
      }

      static override now(): number {
        return clock.now();
      }
    }
    const clear = (timer?: unknown): void => this.clearTimeout(timer);
    const fakes = {
      Date: VirtualDate,
      setTimeout: (task: Task, ms?: number, ...args: unknown[]) => this.setTimeout(() => task(...args), ms),
      setInterval: (task: Task, ms?: number, ...args: unknown[]) => {
        const everyMs = Math.max(1, atLeast0(ms));
        const atMs = this.#elapsedMs + everyMs;
        return this.#add({ id: ++this.#lastId, atMs, everyMs, task: () => task(...args) });
      },
      setImmediate: (task: Task, ...args: unknown[]) => {
        const id = ++this.#lastId;
        this.#immediates.push({ id, atMs: 0, task: () => task(...args) });
        return id;
      },
      clearTimeout: clear,
      clearInterval: clear,
      clearImmediate: clear,
    };
    const undo = Object.entries(fakes)
      // Browsers have no setImmediate.
      .filter(([name]) => name in scope)
      .map(([name, value]) => put(scope, name, value));
    undo.push(put(scope.performance, "now", () => this.elapsed()));
    undo.push(...this.#trackAll(scope.WebAssembly, ["compile", "compileStreaming", "instantiate"]));
    // Only secure pages have it.
    const { subtle } = scope.crypto;
    if (subtle) undo.push(...this.#trackAll(subtle, ["digest", "importKey", "sign", "verify"]));
    return () => {
      for (const each of undo.reverse()) each();
    };
  }

  /** Tracks functions of the engine that work outside of the event loop. */
  #trackAll(target: object, names: readonly string[]): (() => void)[] {
    return names.map((name) => {
      const real: (...args: unknown[]) => Promise<unknown> = Reflect.get(target, name);
      return put(target, name, (...args: unknown[]) => this.track(real.apply(target, args)));
    });
  }

  #add(timer: Timer): number {
    const at = this.#timers.findLastIndex(({ atMs }) => atMs > timer.atMs);
    this.#timers.splice(at + 1, 0, timer);
    return timer.id;
  }

  /** Runs the next timer, if it is due by then. */
  #runNext(untilMs: number): boolean {
    const next = this.#timers.at(-1);
    if (next === undefined || next.atMs > untilMs) return false;
    this.#timers.pop();
    this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
    if (next.everyMs !== undefined) this.#add({ ...next, atMs: next.atMs + next.everyMs });
    next.task();
    return true;
  }

  /** Runs everything that is ready, at the present time. */
  async #settle(): Promise<void> {
    for (let run = 0; run < timersMax; run++) {
      do {
        await Promise.all(this.#work);
        for (let i = 0; i < turns; i++) await turn();
      } while (this.#work.size > 0);
      const next = this.#immediates.shift();
      if (next === undefined) return;
      next.task();
    }
    throw new Error("the clock makes no progress: setImmediate is called again and again");
  }

  /** Runs one call after the other: two at once would run timers out of order. */
  #one<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#advancing.then(act);
    this.#advancing = done.catch(() => {});
    return done;
  }
}

type Task = (...args: unknown[]) => void;

function atLeast0(ms: number | undefined): number {
  return Number.isFinite(ms) ? Math.max(0, ms as number) : 0;
}

/** Replaces a property. Returns a function that restores it. */
export function put(target: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, before);
  };
}
