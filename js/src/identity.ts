// The identity of a client's outbox: its subject, its two producers, and the ids of its rows.
//
// A producer is a secret, because anyone who knows it can publish as this outbox. Ids contain a
// public name instead, which the core derives from the producer.

import { memoryRows } from "./boundary.js";
import { page } from "./browser.js";
import { LonghaulError } from "./errors.js";
import { randomName } from "./random.js";
import { type Partition, partitionName } from "./rows.js";
import type { Core } from "./wasm/longhaul.js";

/** What a partition records for the service worker. */
export interface PartitionFacts {
  readonly hasToken: boolean;
  readonly tokenUrl: string | undefined;
  readonly isPausing: boolean;
}

export class OutboxIdentity {
  readonly #base: string;
  readonly #facts: PartitionFacts;
  /** The user whose rows these are; undefined until the client knows. */
  subject: string | undefined;
  /** The durable outbox's producer. The memory outbox's, where there is no storage. */
  producer = "";
  readonly memoryProducer = randomName();
  /** The public name of each producer, the newest last. */
  readonly #publicNames = new Map<string, string>();

  constructor(base: string, facts: PartitionFacts) {
    this.#base = base;
    this.#facts = facts;
  }

  /**
   * Sets the subject. Throws `subject_mismatch` for another one later, because its token would send
   * rows that belong to the first.
   */
  enter(subject: string): void {
    this.subject ??= subject;
    if (this.subject === subject) return;
    throw new LonghaulError(
      "subject_mismatch",
      `the token belongs to ${JSON.stringify(subject)}, the outbox to ${JSON.stringify(this.subject)}`,
      { hint: "close this client and connect again when another user signs in" },
    );
  }

  /** The name of the subject's partition. While no subject is known, it is that of no user. */
  get partitionName(): string {
    return partitionName(this.#base, this.subject ?? "");
  }

  /** The durable outbox's producer, for a core that continues with it; empty if it is unknown. */
  get durableProducer(): string {
    return this.producer === this.memoryProducer ? "" : this.producer;
  }

  /** Reads the producer and its public name from the core, before the first row gets its id. */
  learn(core: Core): string {
    const producer = core.producer();
    for (const name of [this.memoryProducer, producer]) {
      if (!this.#publicNames.has(name)) this.#publicNames.set(name, core.publicName(name));
    }
    return producer;
  }

  id(row: number): string {
    const producer = row < memoryRows ? this.producer : this.memoryProducer;
    return `${this.#publicNames.get(producer)}:${row % memoryRows}`;
  }

  /**
   * Whether an id is the row's. A row keeps its earlier ids when its outbox gets a new producer.
   */
  isId(id: string, row: number): boolean {
    if (this.id(row) === id) return true;
    // The memory outbox counts its rows by itself: none of its ids names a row in storage.
    const names = row < memoryRows ? [...this.#publicNames] : [];
    return names.some(([producer, name]) => producer !== this.memoryProducer && id === `${name}:${row}`);
  }

  /**
   * The record of the partition, given the stored one. Returns the same array if nothing changed.
   */
  partition(before: Partition | undefined): Partition {
    // A service worker knows only what the page has stored.
    if (before !== undefined && page() === undefined) return before;
    const { hasToken, tokenUrl, isPausing } = this.#facts;
    const [producer] = before ?? [randomName()];
    const now: Partition = [producer, this.#base, this.subject ?? "", hasToken, tokenUrl, isPausing];
    if (before === undefined) return now;
    // Elements that a later version of the package has added stay.
    const added: readonly unknown[] = before.slice(now.length);
    return now.every((known, i) => known === before[i])
      ? before
      : ([...now, ...added] as unknown as Partition);
  }
}
