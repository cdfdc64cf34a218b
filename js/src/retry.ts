// Attempts at what a network or a deploy refuses for now, such as a download: with the client's backoff, sooner when the
// browser is online again or the user asks.

import type { Options } from "./api.js";
import { backoffFloorMs } from "./boundary.js";
import { listen } from "./browser.js";
import { backoffDefaults } from "./options.js";

/** What became of an attempt that another one follows. */
export interface Failure {
  readonly cause: unknown;
  /** The attempt that is waited for, from 2. */
  readonly next: number;
  readonly restMs: number;
  /** More have failed than `backoff.attemptsMax`. */
  readonly isExhausted: boolean;
}

export class Retry {
  readonly #backoff: Required<NonNullable<Options["backoff"]>>;
  readonly #life = new AbortController();
  /** Ends the rest before the next attempt. */
  #go: (() => void) | undefined;

  constructor(backoff: Options["backoff"]) {
    this.#backoff = { ...backoffDefaults, ...backoff };
  }

  /**
   * Makes attempts until one resolves. `failed` hears of each that rejects, and says whether another one can go better: if
   * not, this rejects with its cause. Never settles once closed.
   */
  async run<T>(
    attempt: (no: number, signal: AbortSignal) => Promise<T>,
    failed: (failure: Failure) => boolean,
  ): Promise<T> {
    const { signal } = this.#life;
    for (let no = 1; ; no++) {
      try {
        const made = await attempt(no, signal);
        return signal.aborted ? await never() : made;
      } catch (cause) {
        if (signal.aborted) return never();
        const restMs = this.#restMs(no);
        const isExhausted = no >= this.#backoff.attemptsMax;
        if (!failed({ cause, next: no + 1, restMs, isExhausted })) throw cause;
        await this.#rest(restMs);
      }
    }
  }

  /** Makes the next attempt now. */
  hurry(): void {
    this.#go?.();
  }

  close(): void {
    this.#life.abort();
  }

  #rest(ms: number): Promise<void> {
    const { signal } = this.#life;
    // `failed` may have closed this.
    if (signal.aborted) return never();
    return new Promise((resolve) => {
      const stop = (): void => {
        clearTimeout(timer);
        mute();
        signal.removeEventListener("abort", stop);
        this.#go = undefined;
      };
      this.#go = () => {
        stop();
        resolve();
      };
      const timer = setTimeout(this.#go, ms);
      const mute = listen("online", this.#go);
      signal.addEventListener("abort", stop);
    });
  }

  /** As src/backoff/mod.rs draws it where our own side is to blame. */
  #restMs(failures: number): number {
    const { baseMs, factor, capMs, jitter } = this.#backoff;
    const windowMs = Math.min(capMs, baseMs * factor ** (failures - 1));
    const leastMs = { full: backoffFloorMs, half: windowMs / 2, none: windowMs }[jitter];
    return Math.max(backoffFloorMs, leastMs + Math.random() * (windowMs - leastMs));
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
