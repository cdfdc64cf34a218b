// What this tab has heard of the rows in storage before storage shows it: which have ended, and which are being discarded.
//
// The outbox stops counting a row when this tab hears of its end. Storage removes the row later.

import { outboxRowsMax, wipeMsMax } from "./boundary.js";
import { nowMs } from "./browser.js";

export class Endings {
  readonly #ended = new Set<number>();
  readonly #discarded = new Set<number>();
  /** Storage removed these while it was being read: the answer may still have them. */
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
  noted(row: number): void {
    if (this.#reads > 0) this.#removed.add(row);
    else this.#forget(row);
  }

  wiping(isBeginning: boolean): void {
    this.#wipingUntilMs = isBeginning ? nowMs() + wipeMsMax : 0;
  }

  /** Storage is another one, whose rows are numbered anew. */
  clear(): void {
    this.#ended.clear();
    this.#discarded.clear();
  }

  /** What is made of an answer of storage's, which may be older than what is heard meanwhile. */
  async read<T, U>(asked: Promise<T>, make: (answer: T) => U): Promise<U> {
    this.#reads++;
    try {
      return make(await asked);
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
