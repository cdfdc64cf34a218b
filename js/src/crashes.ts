// Limits restarts after crashes, so that a crash loop does not keep the page and the hub busy.

/**
 * A client restarts after at most so many crashes within `windowMs`. Chosen: a bug that one rare
 * message triggers passes, and a loop does not.
 */
const crashesMax = 10;
const windowMs = 60_000;

/**
 * The limit of the random delay before each restart but the first, ms: one message may crash all
 * clients of a hub. Chosen: within the 2 s that a recovery may take.
 */
const delayMsMax = 1_000;

export class Crashes {
  /** All crashes of this client. */
  count = 0;
  #recent: number[] = [];

  /**
   * Counts a crash. Returns the delay before the restart, ms; undefined if the client is to stop.
   */
  delayMs(nowMs: number): number | undefined {
    this.count++;
    this.#recent = [...this.#recent.filter((atMs) => atMs > nowMs - windowMs), nowMs];
    if (this.#recent.length > crashesMax) return undefined;
    return this.#recent.length === 1 ? 0 : Math.random() * delayMsMax;
  }
}
