// The outcomes of stored rows that this tab knows before storage shows them.
//
// The outbox stops counting a row when this tab learns its outcome. Storage removes the row later.

import { outboxRowsMax, wipeMsMax } from "./boundary.js";
import { nowMs } from "./browser.js";

export class KnownOutcomes {
  readonly #ended = new Set<number>();
  readonly #discarded = new Set<number>();
  /** Rows that storage removed during a load query, whose answer may still contain them. */
  readonly #removed = new Set<number>();
  #reads = 0;
  #wipingUntilMs = 0;

  isOver(row: number): boolean {
    return this.#ended.has(row) || nowMs() < this.#wipingUntilMs;
  }

  isDiscarded(row: number): boolean {
    return this.#discarded.has(row);
  }

  ended(row: number): void {
    this.#discarded.delete(row);
    add(this.#ended, row);
  }

  discarded(row: number): void {
    if (!this.#ended.has(row)) add(this.#discarded, row);
  }

  /** Storage has removed a row. */
  removed(row: number): void {
    if (this.#reads > 0) this.#removed.add(row);
    else this.#forget(row);
  }

  beginWipe(): void {
    this.#wipingUntilMs = nowMs() + wipeMsMax;
  }

  endWipe(): void {
    this.#wipingUntilMs = 0;
  }

  /** Storage has a new database, which numbers its rows from 1. */
  clear(): void {
    this.#ended.clear();
    this.#discarded.clear();
  }

  /**
   * Evaluates the answer to a load query, which may be older than what this tab has learned since.
   */
  async read<T, U>(query: Promise<T>, evaluate: (answer: T) => U): Promise<U> {
    this.#reads++;
    try {
      return evaluate(await query);
    } finally {
      this.#reads--;
      if (this.#reads === 0) for (const row of this.#removed) this.#forget(row);
    }
  }

  #forget(row: number): void {
    this.#removed.delete(row);
    this.#ended.delete(row);
    this.#discarded.delete(row);
  }
}

function add(rows: Set<number>, row: number): void {
  rows.add(row);
  const [oldest = row] = rows;
  if (rows.size > outboxRowsMax) rows.delete(oldest);
}
