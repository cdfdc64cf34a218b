// The slots that the tabs of a browser share: over HTTP/1.1 it opens six connections to a host, and
// a stream or a long poll occupies one. A slot is a Web Lock, so a tab that closes releases its
// own. The core decides when it wants a slot.

import { page, withLock } from "./browser.js";
import { protocolOf } from "./diagnosis.js";

/** Chosen: three of the six stay free for posts, short polls and the page. */
const slotsMax = 3;

export class Slot {
  readonly #base: string;
  readonly #report: (isGranted: boolean) => void;
  /** The last report; undefined while the core wants no slot. */
  #reported: boolean | undefined;
  /** Ends the request and releases the slot. */
  #request: AbortController | undefined;

  /** `report` is called outside of a turn of the core. */
  constructor(base: string, report: (isGranted: boolean) => void) {
    this.#base = base;
    this.#report = report;
  }

  get isDenied(): boolean {
    return this.#reported === false;
  }

  seek(): void {
    this.release();
    const request = new AbortController();
    this.#request = request;
    this.#take(request.signal).catch(() => {
      // Web Locks are missing, or not allowed here.
      this.#followVisibility(request.signal);
    });
  }

  release(): void {
    this.#request?.abort();
    this.#request = undefined;
    this.#reported = undefined;
  }

  /**
   * An answer arrived. It may show that requests share one connection, so that no slot is needed.
   */
  recheck(): void {
    if (this.#request !== undefined && this.isDenied && isMultiplexed(this.#base)) this.#say(true);
  }

  async #take(signal: AbortSignal): Promise<void> {
    if (isMultiplexed(this.#base)) return;
    const names = Array.from({ length: slotsMax }, (_, i) => `longhaul:place:${this.#base}:${i}`);
    for (const name of names) {
      if (await this.#isFree(name, signal)) return;
    }
    if (signal.aborted) return;
    this.#say(false);
    // The first lock that becomes free ends the wait for the others.
    const waiting = new AbortController();
    signal.addEventListener("abort", () => waiting.abort());
    for (const name of names) {
      const taken = withLock(name, { signal: waiting.signal }, () => {
        if (waiting.signal.aborted) return;
        waiting.abort();
        this.#say(true);
        return ended(signal);
      });
      taken.catch(() => {
        // This tab stopped waiting for the lock.
      });
    }
  }

  /** Takes a lock if it is free, and keeps it until `signal` aborts. */
  #isFree(name: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const request = withLock(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null || signal.aborted ? Promise.resolve() : ended(signal);
      });
      request.catch(reject);
    });
  }

  /** Without locks the tabs can't agree: only visible pages and workers get a slot. */
  #followVisibility(signal: AbortSignal): void {
    const shown = page();
    if (shown === undefined) return;
    const check = (): void => this.#say(shown.visibilityState !== "hidden");
    shown.addEventListener("visibilitychange", check, { signal });
    if (!signal.aborted) queueMicrotask(check);
  }

  #say(isGranted: boolean): void {
    if (this.#request === undefined || this.#reported === isGranted) return;
    this.#reported = isGranted;
    this.#report(isGranted);
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Whether requests to the hub share one connection, as far as the browser reports it. */
function isMultiplexed(base: string): boolean {
  return /^h[23]/.test(protocolOf(base) ?? "");
}
