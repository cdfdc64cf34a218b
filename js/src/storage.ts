// The outbox beyond this page: the rows in storage, and the tabs and workers that share them.
//
// The core decides what happens to a row, and src/web/store reads and writes it. This file lists
// rows, reports what other tabs did, and completes flushes and wipes.

import type { DeadLetter, OutboxRow } from "./api.js";
import { memoryRows } from "./boundary.js";
import { page } from "./browser.js";
import { DeadLetters } from "./dead-letters.js";
import type { Endpoint } from "./endpoint.js";
import { LonghaulError, storageUnavailable } from "./errors.js";
import { OutboxIdentity, type PartitionFacts } from "./identity.js";
import { KnownOutcomes } from "./known-outcomes.js";
import { type Publication, type Publications, withoutDeadLetter } from "./publications.js";
import { type Row, toOutboxRow } from "./rows.js";
import type { Scheduler } from "./scheduler.js";
import { BackgroundSync, type Deferred } from "./sync.js";
import { type Origin, toCore } from "./tab-messages.js";
import { type Member, type TabMessage, Tabs } from "./tabs.js";
import { subjectOf, type TokenReason } from "./token.js";
import type { Core } from "./wasm/longhaul.js";

/**
 * How long a row waits before the service worker is asked to help, ms. Chosen: an ack takes less.
 */
const syncDelayMs = 1_000;

export interface StorageDependencies extends PartitionFacts {
  readonly publications: Publications;
  readonly scheduler: Scheduler;
  /** Publishes what was a dead letter in memory. */
  publish(topic: string, text: string, kind: number): Promise<unknown>;
  /** The client's token, or the next one if `refused` is its token. Does not call the app. */
  token(refused: string | undefined): Promise<string>;
  /** Makes an attempt now if the client waits for one. */
  expedite(): void;
  /** Whether nothing can be sent: there is no connection, and no attempt to open one. */
  isStuck(): boolean;
  /** The error for a flush in that case. */
  stuck(): LonghaulError;
  /** Reports that the rows or the dead letters may have changed. */
  changed(): void;
  /** Reports a dead letter of a row that only other tabs had. */
  deadLetter(deadLetter: DeadLetter): void;
}

/** The confirmed value of a document, kept while own changes wait. */
export interface SavedDocument {
  readonly epoch: string;
  readonly seq: number;
  readonly json: string;
}

export class Storage implements Member {
  readonly #database: string | undefined;
  readonly #dependencies: StorageDependencies;
  readonly identity: OutboxIdentity;
  readonly #deadLetters: DeadLetters;
  readonly #outcomes = new KnownOutcomes();
  readonly #sync: BackgroundSync;
  #tabs: Tabs | undefined;
  #wantsToLead = false;
  /** Resolves `partitionName` once the subject is known. */
  #entering: (() => void) | undefined;
  /** Calls that wait for the producer. */
  #awaitingProducer: ((producer: string) => void)[] = [];
  #flushes: { resolve(): void; reject(error: LonghaulError): void }[] = [];
  /** Runs since rows wait that the service worker may have to send. */
  #syncTimer: ReturnType<typeof setTimeout> | undefined;
  /** The last token that a tab or the endpoint gave to this worker. */
  #sharedToken: string | undefined;
  /** Tab messages that came between a crash and the next core. */
  #missed: (() => void)[] = [];
  /** The number of rows when the client was closed. */
  #lastSize: number | undefined;

  /** Without a `database` everything stays in memory. */
  constructor(database: string | undefined, base: string, dependencies: StorageDependencies) {
    this.#database = database;
    this.#dependencies = dependencies;
    this.identity = new OutboxIdentity(base, dependencies);
    this.#sync = new BackgroundSync(database);
    this.#deadLetters = new DeadLetters({
      read: () => this.#read("deadLetters"),
      id: (row) => this.id(row),
      changed: () => dependencies.changed(),
      settle: () => dependencies.scheduler.settle(),
      announce: (deadLetter) => dependencies.deadLetter(deadLetter),
    });
  }

  get size(): number {
    return this.#lastSize ?? this.#dependencies.scheduler.ask((core) => core.outboxRows()) ?? 0;
  }

  /** Who sends a durable row if the page is closed. */
  get deferred(): Deferred {
    return this.#sync.deferred;
  }

  /** Sets the subject. Throws `subject_mismatch` for another one later. */
  enter(subject: string): void {
    const isFirst = this.identity.subject === undefined;
    this.identity.enter(subject);
    if (isFirst) this.#entering?.();
  }

  /** Checks the subject of a token that the client is about to send. Throws `subject_mismatch`. */
  enterWithToken(subject: string | undefined): void {
    if (subject !== undefined || this.identity.subject === undefined) this.enter(subject ?? "");
  }

  /** Resolves when the outbox has a producer; never if the client is closed before. */
  producer(): Promise<string> {
    return new Promise((resolve) => {
      if (this.#lastSize !== undefined) return;
      this.#awaitingProducer.push(resolve);
      this.settle();
    });
  }

  id(row: number): string {
    return this.identity.id(row);
  }

  async rows(): Promise<readonly OutboxRow[]> {
    const { publications } = this.#dependencies;
    const stored = await this.#waiting();
    const rows = stored.map(([n, row]) =>
      toOutboxRow(this.id(n), row, {
        attempts: publications.attempts(n),
        isDiscarded: this.#outcomes.isDiscarded(n),
      }),
    );
    return [...rows, ...publications.volatile().map(([, row]) => row)];
  }

  deadLetters(): Promise<readonly DeadLetter[]> {
    return this.#deadLetters.list();
  }

  /** Keeps a new dead letter. */
  keep(row: number, publication: Publication, deadLetter: DeadLetter): void {
    this.#deadLetters.keep(row, publication, deadLetter);
  }

  /** A row of this client has an outcome. */
  settled(row: number): void {
    if (this.#database !== undefined && row < memoryRows) this.#outcomes.ended(row);
  }

  /** Saves a document's confirmed value while own changes wait; without one, deletes it. */
  async saveDocument(topic: string, document: SavedDocument | undefined): Promise<void> {
    if (this.#database === undefined) return;
    const value = document && [document.epoch, document.seq, document.json];
    await this.#dependencies.scheduler.ask((core) => core.keep(topic, value));
  }

  /** A document's confirmed value from before own changes began to wait. */
  async savedDocument(topic: string): Promise<SavedDocument | undefined> {
    if (this.#database === undefined) return undefined;
    const saved: readonly [string, string, number, string] | undefined =
      await this.#dependencies.scheduler.ask((core) => core.kept(topic));
    return saved && { epoch: saved[1], seq: saved[2], json: saved[3] };
  }

  /** The browser removed the storage. */
  lost(): void {
    this.#deadLetters.lost();
    this.#outcomes.clear();
    this.#dependencies.changed();
  }

  async retry(id: string): Promise<void> {
    await this.#deadLetters.settled(id);
    const inMemory = this.#deadLetters.take(id);
    if (inMemory !== undefined) {
      const { topic, text, kind } = inMemory.publication;
      try {
        await this.#dependencies.publish(topic, text, kind);
      } catch (cause) {
        // It remains a dead letter, unless a wipe has removed everything in the meantime.
        if ((cause as LonghaulError).code !== "wiped") this.#deadLetters.restore(inMemory);
        throw cause;
      }
      this.#takenFromMemory(id);
      return;
    }
    const taken = await this.#takeFromStorage(id, "retry");
    if (taken === undefined) throw rowUnknown(id);
    this.#tell(["added", this.identity.producer, taken.row, 1, taken.bytes]);
  }

  async discard(id: string): Promise<void> {
    await this.#deadLetters.settled(id);
    if (this.#deadLetters.take(id) !== undefined) {
      this.#takenFromMemory(id);
      return;
    }
    if ((await this.#takeFromStorage(id, "discard")) !== undefined) return;
    const { publications, scheduler, changed } = this.#dependencies;
    const rows = [...(await this.#waiting()), ...publications.volatile()];
    const [row] = rows.find(([n]) => this.identity.isId(id, n)) ?? [];
    if (row === undefined) throw rowUnknown(id);
    publications.discard(row);
    scheduler.ask((core) => core.cancel(row));
    changed();
    scheduler.settle();
  }

  /** Resolves when nothing waits any more. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushes.push({ resolve, reject });
      this.#dependencies.expedite();
    });
  }

  async wipe(): Promise<void> {
    // From here on nothing is sent. Frames that have left may still arrive.
    this.receive(["wiped", true], "self");
    this.broadcast(["wiped", true]);
    this.#deadLetters.forgetBefore(Number.POSITIVE_INFINITY);
    const last =
      this.#database === undefined ? 0 : await this.#dependencies.scheduler.ask((core) => core.wipe());
    // Other tabs may have published in the meantime, so they learn how far the wipe reached. After
    // a wipe that failed they keep the rows in storage.
    this.broadcast(["wiped", undefined, last ?? 0, Date.now()]);
    if (last === undefined) {
      this.#outcomes.endWipe();
      throw storageUnavailable();
    }
    this.receive(["wiped"]);
  }

  /** Learns the producer and its public name, before the first row gets its id. */
  learn(core: Core): string {
    const producer = this.identity.learn(core);
    const { producer: before } = this.identity;
    if (producer !== "" && producer !== before) {
      // Storage was removed, was copied, or opened late: then it may have rows and dead letters.
      if (before !== "") this.#dependencies.changed();
      this.identity.producer = producer;
    }
    return producer;
  }

  /** The core has finished a turn. */
  settle(): void {
    const { scheduler, isStuck, stuck } = this.#dependencies;
    scheduler.ask((core) => {
      const producer = this.learn(core);
      if (producer === "") return;
      for (const resolve of this.#awaitingProducer.splice(0)) resolve(producer);
    });
    this.#requestSync();
    if (this.#flushes.length === 0) return;
    if (isStuck()) for (const { reject } of this.#flushes.splice(0)) reject(stuck());
    else if (scheduler.ask((core) => core.isStopped())) {
      for (const { reject } of this.#flushes.splice(0)) reject(stopped());
    } else if (scheduler.ask((core) => core.isFlushed())) {
      for (const { resolve } of this.#flushes.splice(0)) resolve();
    }
  }

  /** Delivers the missed tab messages to a new core. */
  catchUp(): void {
    for (const receive of this.#missed.splice(0)) receive();
  }

  /** Asks the service worker to help with rows that wait for long, as this page may be closed. */
  #requestSync(): void {
    if (this.size === 0) {
      clearTimeout(this.#syncTimer);
      this.#syncTimer = undefined;
      this.#sync.settled();
    } else if (this.#dependencies.isStuck()) this.#sync.ask();
    else this.#syncTimer ??= setTimeout(() => this.#sync.ask(), syncDelayMs);
  }

  close(): void {
    this.#lastSize = this.size;
    if (this.size > 0) this.#sync.ask();
    clearTimeout(this.#syncTimer);
    this.#deadLetters.recorded();
    this.#tabs?.close();
    this.#tabs = undefined;
    this.#entering = undefined;
    // They reference the wasm of documents, and a page may keep its closed client.
    this.#awaitingProducer = [];
  }

  // The core calls these through the host (src/web/host.rs).

  /** Resolves with the partition's name when the subject is known. */
  partitionName(): Promise<string> {
    return new Promise((resolve) => {
      // Nothing would close a channel that opens after `close`.
      if (this.#lastSize !== undefined) return;
      this.#entering = () => {
        const { partitionName } = this.identity;
        this.#tabs ??= new Tabs(`${this.#database} ${partitionName}`, this);
        if (this.#wantsToLead) this.#tabs.seekLeadership();
        resolve(partitionName);
      };
      if (this.identity.subject !== undefined) this.#entering();
    });
  }

  seekLeadership(): void {
    this.#wantsToLead = true;
    this.#tabs?.seekLeadership();
  }

  resignLeadership(): void {
    this.#wantsToLead = false;
    this.#tabs?.resignLeadership();
  }

  /** Sends a message of the core to the other tabs. */
  broadcast(message: TabMessage): void {
    if (message[0] === "outcomeStored") {
      this.#deadLetters.recorded(message[2]);
      this.#outcomes.removed(message[2]);
    } else if (message[0] === "cancelled") this.#outcomes.discarded(message[2]);
    this.#tabs?.send(message);
  }

  // The tabs call these.

  receive(message: TabMessage, origin: Origin = "tab"): void {
    if (message[0] === "tokenWanted") {
      this.#shareToken(message[1], message[2]);
      return;
    }
    if (message[0] === "outcomeStored" && message[1] === this.identity.producer)
      this.#deadLetters.recorded(message[2]);
    if (message[0] === "cancelled" && message[1] === this.identity.producer)
      this.#dependencies.publications.discard(message[2]);
    if (message[0] === "wiped") {
      this.#deadLetters.recorded();
      const [, isBeginning, , atMs = Number.POSITIVE_INFINITY] = message;
      if (!isBeginning) this.#deadLetters.forgetBefore(atMs);
    }
    if (this.#dependencies.scheduler.ask(() => true) === undefined) {
      this.#missed.push(() => this.receive(message, origin));
      return;
    }
    this.#noteMessage(message, origin);
    this.#dependencies.scheduler.run((core) => toCore(core, message, origin));
  }

  lead(isLeader: boolean): void {
    this.#dependencies.scheduler.run((core) => core.leader(isLeader));
  }

  isWaiting(): boolean {
    return this.size > 0;
  }

  /** The page was in the back-forward cache, and may have missed tab messages. */
  returned(): void {
    this.#dependencies.changed();
    this.#dependencies.scheduler.settle();
  }

  /** A worker has no app to ask: it gets a token from an open tab or from the app's endpoint. */
  async sharedToken(reason: TokenReason, endpoint: Endpoint | undefined): Promise<string> {
    // The core may ask before it has opened storage.
    await this.partitionName();
    const refused = reason === "rejected" ? this.#sharedToken : undefined;
    this.#sharedToken = await this.#tabs?.requestToken(refused);
    if (this.#sharedToken !== undefined) return this.#sharedToken;
    if (endpoint === undefined) throw new Error("no open tab has a token, and outbox.tokenUrl is not set");
    const token = await endpoint.token(refused);
    // The endpoint goes by cookies, and another user may have signed in.
    if (this.identity.subject !== "" && subjectOf(token) === undefined) {
      throw new Error("the token from outbox.tokenUrl names no user");
    }
    this.#sharedToken = token;
    return token;
  }

  /** Answers a worker that wants a token. Only pages have one from their app. */
  #shareToken(call: string, refused: string | undefined): void {
    if (!this.#dependencies.hasToken || page() === undefined) return;
    this.#dependencies.token(refused).then(
      (token) => this.#tabs?.send(["token", call, token]),
      () => {
        // Another tab may have one.
      },
    );
  }

  /** Notes what a tab message changes in the lists that the app sees. */
  #noteMessage(message: TabMessage, origin: Origin): void {
    const { changed } = this.#dependencies;
    if (message[0] === "deadLetterTaken") {
      this.#deadLetters.taken(message[2]);
      changed();
    } else if (message[0] === "wiped") {
      const [, isBeginning = false, last = Number.POSITIVE_INFINITY] = message;
      if (!isBeginning) {
        this.#deadLetters.wiped(last);
        this.#outcomes.endWipe();
      } else if (origin === "self") {
        // While another tab wipes, its rows still count.
        this.#outcomes.beginWipe();
      }
      changed();
    }
    if (message[1] !== this.identity.producer) return;
    // Even if the size stays the same: the end of a row may be reported before the row itself.
    if (["added", "acked", "dead"].includes(message[0])) changed();
    switch (message[0]) {
      case "acked":
        for (let i = 0; i < message[3].length; i += 5) this.#outcomes.ended(message[3][i] ?? 0);
        return;
      case "dead":
        if (!this.#outcomes.isOver(message[2]) && !withoutDeadLetter.includes(message[5]))
          this.#deadLetters.expect(message[2]);
        this.#outcomes.ended(message[2]);
        return;
      case "cancelled":
        this.#outcomes.discarded(message[2]);
        changed();
        return;
      case "outcomeStored":
        if (!this.#deadLetters.announce(message[2]) && !this.#outcomes.isOver(message[2])) changed();
        this.#outcomes.removed(message[2]);
    }
  }

  async #read(what: "rows" | "deadLetters"): Promise<readonly [n: number, row: Row][]> {
    if (this.#database === undefined) return [];
    return (await this.#dependencies.scheduler.ask((core) => core.stored(what === "deadLetters"))) ?? [];
  }

  /** The rows in storage without an outcome, as far as this tab knows. */
  #waiting(): Promise<readonly [n: number, row: Row][]> {
    const { publications } = this.#dependencies;
    return this.#outcomes.read(this.#read("rows"), (stored) =>
      // The core sends a row again if nobody has recorded its end.
      stored.filter(([n]) => publications.has(n) || !this.#outcomes.isOver(n)),
    );
  }

  /** Takes a dead letter out of storage; a retry makes a new row of it. */
  async #takeFromStorage(
    id: string,
    purpose: "retry" | "discard",
  ): Promise<{ row: number; bytes: number } | undefined> {
    const stored = await this.#read("deadLetters");
    const [deadLetter] = stored.find(([n]) => this.identity.isId(id, n)) ?? [];
    if (deadLetter === undefined) return undefined;
    const taken = await this.#dependencies.scheduler.ask((core) =>
      core.takeDeadLetter(deadLetter, purpose === "retry"),
    );
    if (taken === undefined) return undefined;
    this.#tell(["deadLetterTaken", this.identity.producer, deadLetter]);
    const [row, bytes] = taken;
    return { row, bytes };
  }

  /** A dead letter in memory no longer pauses its topic. */
  #takenFromMemory(id: string): void {
    const [, row] = id.split(":");
    this.receive(["deadLetterTaken", this.identity.memoryProducer, Number(row)]);
  }

  /** Passes a message to this client's core and to the other tabs. */
  #tell(message: TabMessage): void {
    this.receive(message);
    this.broadcast(message);
  }
}

function stopped(): LonghaulError {
  return new LonghaulError("not_flushed", "rows wait for a dead letter, for disk space, or for storage", {
    hint: "retry or discard the dead letters of their topics, or free some of the origin's storage",
  });
}

export function rowUnknown(id: string): LonghaulError {
  return new LonghaulError("row_unknown", `there is no row or dead letter ${id}`, {
    hint: "take ids from rows() and deadLetters(); another tab may have been faster",
  });
}
