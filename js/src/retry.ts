// Repeats an attempt such as a download until it succeeds, with the client's backoff. An attempt
// comes earlier if the browser is online again or the user asks.

import type { Options } from "./api.js";
import { backoffFloorMs } from "./boundary.js";
import { listen } from "./browser.js";
import { backoffDefaults } from "./options.js";

/** A failed attempt that another one may follow. */
export interface Failure {
  readonly cause: unknown;
  /** The number of the next attempt, from 2. */
  readonly next: number;
  /** The delay before it, ms. */
  readonly delayMs: number;
  /** Whether more than `backoff.attemptsMax` attempts have failed. */
  readonly isExhausted: boolean;
}

export class Retry {
  readonly #backoff: Required<NonNullable<Options["backoff"]>>;
  readonly #life = new AbortController();
  /** Ends the delay before the next attempt. */
  #go: (() => void) | undefined;

  constructor(backoff: Options["backoff"]) {
    this.#backoff = { ...backoffDefaults, ...backoff };
  }

  /**
   * Makes attempts until one resolves. `failed` gets each failure, and returns whether another
   * attempt can succeed; if not, this rejects with the cause. Never settles once closed.
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
        const delayMs = this.#delayMs(no);
        const isExhausted = no >= this.#backoff.attemptsMax;
        if (!failed({ cause, next: no + 1, delayMs, isExhausted })) throw cause;
        await this.#wait(delayMs);
      }
    }
  }

  /** Makes the next attempt now. */
  expedite(): void {
    this.#go?.();
  }

  close(): void {
    this.#life.abort();
  }

  #wait(ms: number): Promise<void> {
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

  /** Draws a delay as src/backoff does for faults on this side. */
  #delayMs(failures: number): number {
    const { baseMs, factor, capMs, jitter } = this.#backoff;
    const windowMs = Math.min(capMs, baseMs * factor ** (failures - 1));
    const leastMs = { full: backoffFloorMs, half: windowMs / 2, none: windowMs }[jitter];
    return Math.max(backoffFloorMs, leastMs + Math.random() * (windowMs - leastMs));
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
