// A place among the connections that all tabs share: over HTTP/1.1 a browser has six to a host, and what is held takes one.
// Places are Web Locks, so a tab that goes gives its own back. Decides nothing: the core says when one is wanted.

import { page, withLock } from "./browser.js";
import { protocolOf } from "./diagnosis.js";

/** Chosen: three of the six are left for posts, short polls and the page, even while each of the three moves. */
const placesMax = 3;

export class Place {
  readonly #base: string;
  readonly #tell: (isGranted: boolean) => void;
  /** What is told while a place is wanted; undefined while none is. */
  #said: boolean | undefined;
  /** Ends the wish and gives the place back. */
  #wish: AbortController | undefined;

  /** `tell` is called outside of a turn of the core. */
  constructor(base: string, tell: (isGranted: boolean) => void) {
    this.#base = base;
    this.#tell = tell;
  }

  get isDenied(): boolean {
    return this.#said === false;
  }

  seek(): void {
    this.leave();
    const wish = new AbortController();
    this.#wish = wish;
    this.#take(wish.signal).catch(() => {
      // There are no locks, or they are not allowed here.
      this.#watch(wish.signal);
    });
  }

  leave(): void {
    this.#wish?.abort();
    this.#wish = undefined;
    this.#said = undefined;
  }

  /** An answer came: it may tell that requests share one connection, and places are for nothing. */
  look(): void {
    if (this.#wish !== undefined && this.isDenied && isMultiplexed(this.#base)) this.#say(true);
  }

  async #take(signal: AbortSignal): Promise<void> {
    if (isMultiplexed(this.#base)) return;
    const names = Array.from({ length: placesMax }, (_, i) => `longhaul:place:${this.#base}:${i}`);
    for (const name of names) {
      if (await this.#isFree(name, signal)) return;
    }
    if (signal.aborted) return;
    this.#say(false);
    // The first that is free ends the waiting for the others.
    const waiting = new AbortController();
    signal.addEventListener("abort", () => waiting.abort());
    for (const name of names) {
      const taken = withLock(name, { signal: waiting.signal }, () => {
        if (waiting.signal.aborted) return;
        waiting.abort();
        this.#say(true);
        return ended(signal);
      });
      // Given up.
      taken.catch(() => {});
    }
  }

  /** Takes a place if it is free, until the wish ends. */
  #isFree(name: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const request = withLock(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null || signal.aborted ? Promise.resolve() : ended(signal);
      });
      request.catch(reject);
    });
  }

  /** Without locks tabs can't agree: a page that nobody looks at goes without a place, a worker has one. */
  #watch(signal: AbortSignal): void {
    const seen = page();
    if (seen === undefined) return;
    const look = (): void => this.#say(seen.visibilityState !== "hidden");
    seen.addEventListener("visibilitychange", look, { signal });
    if (!signal.aborted) queueMicrotask(look);
  }

  #say(isGranted: boolean): void {
    if (this.#wish === undefined || this.#said === isGranted) return;
    this.#said = isGranted;
    this.#tell(isGranted);
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Whether requests to the hub share one connection, as far as the browser tells. */
function isMultiplexed(base: string): boolean {
  return /^h[23]/.test(protocolOf(base) ?? "");
}
