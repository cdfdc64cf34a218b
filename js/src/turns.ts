// The turns of the core: whoever tells or asks it something does it here. Listeners of the user run last, when it has finished.
//
// Knows no event and no listener.

import type { Core } from "./wasm/longhaul.js";

export class Turns {
  /** Undefined between a crash and the next one. */
  core: Core | undefined;
  /** Told what the core has thrown. */
  readonly crashed: (core: Core | undefined, cause: unknown) => void;
  /** The client is: what was on its way is not heard. */
  isClosed = false;
  /** What to do when the core has finished its turn. */
  #later: (() => void)[] = [];
  /** How many calls into the core have not returned. Listeners wait for the outermost: it is their turn that ends. */
  depth = 0;
  #isSettling = false;
  /** A turn has ended that was not told of. */
  #isDue = false;
  readonly #finished: () => void;

  /** `finished` is told that a turn is over, before those who wait for it. */
  constructor(crashed: (core: Core | undefined, cause: unknown) => void, finished: () => void) {
    this.crashed = crashed;
    this.#finished = finished;
  }

  /** One turn of the core, and then the listeners. While there is none, the next one learns what matters from what is kept elsewhere. */
  turn(act: (core: Core) => void): void {
    this.look(act);
    this.settle();
  }

  /** Asks the core something, if it is there to answer. */
  look<T>(ask: (core: Core) => T): T | undefined {
    const { core, depth } = this;
    this.depth++;
    try {
      return core && ask(core);
    } catch (cause) {
      this.depth = depth;
      this.crashed(core, cause);
      return undefined;
    } finally {
      this.depth = depth;
    }
  }

  /** Does something when the core has finished its turn: listeners of the user are told then. */
  later(act: () => void): void {
    this.#later.push(act);
  }

  settle(): void {
    // A listener that calls the client is served here, after what was noted before.
    if (this.depth > 0) return;
    this.#isDue = true;
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      while (this.#isDue || this.#later.length > 0) {
        this.#isDue = false;
        this.#finished();
        const later = this.#later;
        this.#later = [];
        for (const act of later) act();
      }
    } finally {
      this.#isSettling = false;
    }
  }
}
