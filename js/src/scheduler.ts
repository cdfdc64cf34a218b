// Schedules calls into the core, and the listeners of the app after them.
//
// A call of the core is a turn. A listener may call the client, which begins a turn of its own, so
// listeners wait until the outermost turn is over. This file knows no event and no listener.

import type { Core } from "./wasm/longhaul.js";

export class Scheduler {
  /** Undefined between a crash and the next core. */
  core: Core | undefined;
  /** Gets what the core throws. */
  readonly crashed: (core: Core | undefined, cause: unknown) => void;
  /** Whether the client is closed: it drops what comes in afterwards. */
  isClosed = false;
  /** How many calls into the core have not returned. */
  depth = 0;
  readonly #finished: () => void;
  /** What to do when the core has finished its turn. */
  #deferred: (() => void)[] = [];
  #isSettling = false;
  /** Whether a turn has ended since the last call of `finished`. */
  #isDue = false;

  /** `finished` is called after each turn, before the deferred actions. */
  constructor(crashed: (core: Core | undefined, cause: unknown) => void, finished: () => void) {
    this.crashed = crashed;
    this.#finished = finished;
  }

  /**
   * Runs one turn of the core, and then the listeners. Skips the turn if there is no core: the next
   * one gets what matters from elsewhere.
   */
  run(act: (core: Core) => void): void {
    this.ask(act);
    this.settle();
  }

  /** Asks the core a question. Returns undefined if there is no core or if it throws. */
  ask<T>(query: (core: Core) => T): T | undefined {
    const { core, depth } = this;
    this.depth++;
    try {
      return core && query(core);
    } catch (cause) {
      this.depth = depth;
      this.crashed(core, cause);
      return undefined;
    } finally {
      this.depth = depth;
    }
  }

  /** Does something after the core's turn, such as a call of the app's listeners. */
  defer(act: () => void): void {
    this.#deferred.push(act);
  }

  settle(): void {
    // If a listener has called the client, the outer call continues after what it deferred before.
    if (this.depth > 0) return;
    this.#isDue = true;
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      while (this.#isDue || this.#deferred.length > 0) {
        this.#isDue = false;
        this.#finished();
        const deferred = this.#deferred;
        this.#deferred = [];
        for (const act of deferred) act();
      }
    } finally {
      this.#isSettling = false;
    }
  }
}
