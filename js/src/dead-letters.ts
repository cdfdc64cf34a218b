// The dead letters that this client knows: in storage, on their way to storage, and in memory only.

import type { DeadLetter } from "./api.js";
import type { Publication } from "./publications.js";
import { type Row, toDeadLetter } from "./rows.js";

/** Storage never gets the dead letters with these codes: it no longer has their rows. */
const memoryOnly = ["outbox_lost", "outcome_unknown"];

/** Storage keeps as many dead letters. */
const deadLettersMax = 1_000;

/** A dead letter with its publication, which a retry publishes again. */
export interface DeadLetterEntry {
  readonly publication: Publication;
  readonly deadLetter: DeadLetter;
}

export interface DeadLettersDependencies {
  /** Reads the dead letters in storage. */
  read(): Promise<readonly [row: number, stored: Row][]>;
  id(row: number): string;
  /** Reports that the list may have changed. */
  changed(): void;
  /** Reports that the effects of one message are complete. */
  settle(): void;
  /** Reports a dead letter of a row that only other tabs had. */
  announce(deadLetter: DeadLetter): void;
}

export class DeadLetters {
  readonly #dependencies: DeadLettersDependencies;
  /** Reported to the app, and not yet in storage; with the calls that wait for storage. */
  readonly #writing = new Map<number, DeadLetterEntry & { waiting: (() => void)[] }>();
  /** Dead letters that are in memory only, by id. */
  readonly #inMemory = new Map<string, DeadLetterEntry>();
  /** Rows of other tabs that become dead letters as soon as storage has recorded their end. */
  readonly #expected = new Set<number>();
  /** Those that storage has recorded, and that this tab has still to read and announce. */
  readonly #recorded = new Set<number>();
  #isAnnouncing = false;

  constructor(dependencies: DeadLettersDependencies) {
    this.#dependencies = dependencies;
  }

  async list(): Promise<readonly DeadLetter[]> {
    const { read, id } = this.#dependencies;
    const stored = await read();
    // No tab message announces a dead letter that a load query found.
    for (const [row] of stored) this.recorded(row);
    const deadLetters = new Map(stored.map(([row, value]) => [row, toDeadLetter(id(row), value)]));
    for (const [row, { deadLetter }] of this.#writing)
      if (!deadLetters.has(row)) deadLetters.set(row, deadLetter);
    return [...deadLetters.values(), ...Array.from(this.#inMemory.values(), ({ deadLetter }) => deadLetter)];
  }

  /**
   * Keeps a new dead letter until storage has it, or for the page's life if storage never gets it.
   */
  keep(row: number, publication: Publication, deadLetter: DeadLetter): void {
    this.#expected.delete(row);
    this.#dependencies.changed();
    if (publication.isDurable && !memoryOnly.includes(deadLetter.reason.code)) {
      this.#writing.set(row, { publication, deadLetter, waiting: [] });
      return;
    }
    this.#inMemory.set(deadLetter.id, { publication, deadLetter });
    for (const id of this.#inMemory.keys()) {
      if (this.#inMemory.size <= deadLettersMax) return;
      this.#inMemory.delete(id);
    }
  }

  /** The browser removed storage: dead letters that it was to get stay in memory. */
  lost(): void {
    for (const entry of this.#writing.values()) this.#inMemory.set(entry.deadLetter.id, entry);
    this.recorded();
    this.#expected.clear();
  }

  /** Storage has recorded the end of a row; without a row, of all rows. */
  recorded(row?: number): void {
    for (const [each, { waiting }] of this.#writing) {
      if (row !== undefined && each !== row) continue;
      this.#writing.delete(each);
      for (const resume of waiting) resume();
    }
  }

  /** Resolves when a dead letter is where it stays: in storage, or in memory. */
  async settled(id: string): Promise<void> {
    if (this.#writing.size > 0) await this.list();
    const writing = [...this.#writing.values()].find(({ deadLetter }) => deadLetter.id === id);
    if (writing !== undefined) await new Promise<void>((resolve) => writing.waiting.push(resolve));
  }

  /** Removes a dead letter from memory, and returns it. */
  take(id: string): DeadLetterEntry | undefined {
    const entry = this.#inMemory.get(id);
    this.#inMemory.delete(id);
    return entry;
  }

  /** Puts a dead letter back that `take` removed. */
  restore(entry: DeadLetterEntry): void {
    this.#inMemory.set(entry.deadLetter.id, entry);
    this.#dependencies.changed();
  }

  /** Removes those in memory that were published before `atMs`, by this device's wall clock. */
  forgetBefore(atMs: number): void {
    for (const [id, { deadLetter }] of this.#inMemory)
      if (deadLetter.createdAtMs < atMs) this.#inMemory.delete(id);
  }

  /** Another tab reports that its row has become a dead letter. */
  expect(row: number): void {
    const [oldest = 0] = this.#expected.add(row);
    if (this.#expected.size > deadLettersMax) this.#expected.delete(oldest);
  }

  /** Another tab has retried or discarded a dead letter. */
  taken(row: number): void {
    // That tab may have read it before this one learned that storage has it.
    this.recorded(row);
    this.#expected.delete(row);
  }

  /** A wipe has removed the rows up to `last`. */
  wiped(last: number): void {
    for (const row of this.#expected) if (row <= last) this.#expected.delete(row);
  }

  /** Announces a row's dead letter, now that storage has it. False if none is expected. */
  announce(row: number): boolean {
    if (!this.#expected.delete(row)) return false;
    this.#recorded.add(row);
    void this.#announceAll();
    return true;
  }

  async #announceAll(): Promise<void> {
    if (this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    const { read, id, announce, changed, settle } = this.#dependencies;
    while (this.#recorded.size > 0) {
      const rows = new Set(this.#recorded);
      this.#recorded.clear();
      for (const [row, value] of await read().catch(() => [])) {
        if (rows.has(row)) announce(toDeadLetter(id(row), value));
      }
      changed();
      settle();
    }
    this.#isAnnouncing = false;
  }
}
