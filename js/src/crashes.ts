// When a crash is one too many. What crashes again and again would otherwise keep page and hub busy for nothing.

/** Crashes within `crashMs` that a client goes on after. Chosen: a bug that one rare message wakes is lived through, a loop is not. */
const crashesMax = 10;
const crashMs = 60_000;

/** Each but the first waits by chance up to so long, ms: all clients of a hub may have crashed of the same message. Chosen: within the 2 s that a recovery may take. */
const restMsMax = 1_000;

export class Crashes {
  /** Since the client began. */
  count = 0;
  #last: number[] = [];

  /** Notes one. How long to wait before going on, ms; undefined where there is no going on. */
  next(nowMs: number): number | undefined {
    this.count++;
    this.#last = [...this.#last.filter((atMs) => atMs > nowMs - crashMs), nowMs];
    if (this.#last.length > crashesMax) return undefined;
    return this.#last.length === 1 ? 0 : Math.random() * restMsMax;
  }
}
