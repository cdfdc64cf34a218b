// The outbox beyond this page: what is in storage, whose it is, and what its tabs tell each other. The core decides; rows are
// written and read by src/web/store.

import type { DeadLetter, OutboxRow } from "./api.js";
import { memoryRows } from "./boundary.js";
import { page } from "./browser.js";
import { Endings } from "./endings.js";
import type { Endpoint } from "./endpoint.js";
import { LonghaulError, storageUnavailable } from "./errors.js";
import { asked, type Ended, type Publications } from "./publications.js";
import { randomName } from "./random.js";
import { letterOf, type Partition, partitionName, rowOf, type StoredRow } from "./rows.js";
import { BackgroundSync, type Deferred } from "./sync.js";
import { type Member, type Notice, Tabs } from "./tabs.js";
import { subjectOf } from "./token.js";
import type { Turns } from "./turns.js";
import type { Core } from "./wasm/longhaul.js";

/** How long a row waits before the service worker is asked to help, ms. Chosen: an ack takes less. */
const entrustMs = 1_000;

/** What storage needs of its engine. */
export interface Room {
  readonly publications: Publications;
  /** Nothing happens between a crash and the next core, which learns from storage. */
  readonly turns: Turns;
  /** A publication of what was a dead letter in memory. */
  publish(topic: string, text: string, kind: number): Promise<unknown>;
  /** The token that the app gives, but for one that was refused: the app is not asked for it. */
  token(refused: string | undefined): Promise<string>;
  readonly hasToken: boolean;
  readonly tokenUrl: string | undefined;
  readonly isPausing: boolean;
  /** Makes an attempt now where nothing is connected. */
  hurry(): void;
  /** Nothing can be sent: no connection, and no attempt to make one. */
  isStuck(): boolean;
  /** Says so. */
  stuck(): LonghaulError;
  /** Rows, or dead letters, are not what they were when their size was told last. */
  changed(): void;
  /** A row that only other tabs had is a dead letter. */
  deadLetter(letter: DeadLetter): void;
}

/** What the hub had confirmed of a document. */
export type KeptDocument = readonly [epoch: string, seq: number, json: string];

/** Dead letters of rows that are not in storage any more, and that it never gets. */
const unwritten = ["outbox_lost", "outcome_unknown"];

/** As many dead letters as storage keeps. */
const lettersMax = 1_000;

interface Flusher {
  resolve(): void;
  reject(error: LonghaulError): void;
}

export class Storage implements Member {
  readonly #database: string | undefined;
  readonly #base: string;
  readonly #room: Room;
  #subject: string | undefined;
  /** The outbox's identity, and that of the one in memory beside it: whoever knows it may publish as this outbox. */
  #producer = "";
  readonly #spare = randomName();
  /** What readers see of either, the newest last. */
  readonly #names = new Map<string, string>();
  /** The last token of somebody else's. */
  #borrowed: string | undefined;
  /** Who waits to know whose rows these are. */
  #entering: ((name: string) => void) | undefined;
  #tabs: Tabs | undefined;
  #flushers: Flusher[] = [];
  /** Dead letters that were told, by their rows, until storage has them; and who waits for that. */
  readonly #writing = new Map<number, { ended: Ended; waiting: (() => void)[] }>();
  readonly #endings = new Endings();
  /** Rows that only other tabs had, and that are dead letters once storage has noted it; and those that are to be looked up. */
  readonly #unheard = new Set<number>();
  readonly #announced = new Set<number>();
  #isAnnouncing = false;
  /** Of what was in memory only, by id. */
  readonly #letters = new Map<string, Ended>();
  readonly #sync: BackgroundSync;
  /** When rows began to wait that somebody else may have to send. */
  #entrusting: ReturnType<typeof setTimeout> | undefined;
  /** What was told between a crash and the next core. */
  #missed: (() => void)[] = [];
  /** What the tabs were told before there was a name for them. */
  #wantsToSend = false;
  #known: ((producer: string) => void)[] = [];
  /** Rows that waited when the client was closed. */
  #lastSize: number | undefined;

  /** Without a `database` everything is in memory. */
  constructor(database: string | undefined, base: string, room: Room) {
    this.#database = database;
    this.#sync = new BackgroundSync(database);
    this.#base = base;
    this.#room = room;
  }

  get size(): number {
    return this.#lastSize ?? this.#room.turns.look((core) => core.outboxRows()) ?? 0;
  }

  /** Whose rows these are: told once. Another subject later is refused, for its token would send rows that are not its own. */
  enter(subject: string): void {
    if (this.#subject === undefined) {
      this.#subject = subject;
      this.#entering?.(this.partitionName);
    } else if (this.#subject !== subject) {
      throw new LonghaulError(
        "subject_mismatch",
        `the token is ${JSON.stringify(subject)}'s, the outbox ${JSON.stringify(this.#subject)}'s`,
        { hint: "close this client and connect anew when another user signs in" },
      );
    }
  }

  /** A token is about to be shown: it tells whose rows these are, and must not be another's. */
  shown(subject: string | undefined): void {
    if (subject !== undefined || this.#subject === undefined) this.enter(subject ?? "");
  }

  /** Resolves when the outbox has its identity; never where the client is closed before. */
  producer(): Promise<string> {
    return new Promise((resolve) => {
      if (this.#lastSize !== undefined) return;
      this.#known.push(resolve);
      this.settle();
    });
  }

  id(row: number): string {
    const producer = row >= memoryRows ? this.#spare : this.#producer;
    return `${this.#names.get(producer)}:${row % memoryRows}`;
  }

  async rows(): Promise<readonly OutboxRow[]> {
    const { publications } = this.#room;
    const stored = await this.#waiting();
    const rows = stored.map(([n, row]) =>
      rowOf(this.id(n), row, publications.attempts(n), this.#endings.isDiscarded(n)),
    );
    return [...rows, ...publications.volatile().map(([, shown]) => shown)];
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    const stored = await this.#read(true);
    // Those that were found there by a look are never told to be noted.
    for (const [n] of stored) this.#noted(n);
    const letters = new Map(stored.map(([n, row]) => [n, letterOf(this.id(n), row)]));
    for (const [n, { ended }] of this.#writing) if (!letters.has(n)) letters.set(n, ended.letter);
    return [...letters.values(), ...Array.from(this.#letters.values(), ({ letter }) => letter)];
  }

  /** Something will never take effect; storage is about to know where it was there. */
  keep(row: number, ended: Ended): void {
    const { letter, isDurable } = ended;
    this.#unheard.delete(row);
    this.#room.changed();
    if (isDurable && !unwritten.includes(letter.reason.code)) {
      this.#writing.set(row, { ended, waiting: [] });
      return;
    }
    this.#letters.set(letter.id, ended);
    for (const id of this.#letters.keys()) {
      if (this.#letters.size <= lettersMax) return;
      this.#letters.delete(id);
    }
  }

  /** A row that was known here has an outcome. */
  settled(row: number): void {
    if (this.#database !== undefined && row < memoryRows) this.#endings.ended(row);
  }

  /** Keeps what a document is while own changes of it wait, or no longer. */
  async keepDocument(topic: string, document: KeptDocument | undefined): Promise<void> {
    if (this.#database !== undefined)
      await this.#room.turns.look((core) => core.keep(topic, document?.slice()));
  }

  /** What a document was when own changes of it began to wait. */
  async keptDocument(topic: string): Promise<KeptDocument | undefined> {
    if (this.#database === undefined) return undefined;
    const kept: readonly [string, ...KeptDocument] | undefined = await this.#room.turns.look((core) =>
      core.kept(topic),
    );
    return kept && [kept[1], kept[2], kept[3]];
  }

  /** Storage was removed: dead letters that it was to have stay in memory. */
  lost(): void {
    for (const { ended } of this.#writing.values()) this.#letters.set(ended.letter.id, ended);
    this.#noted();
    this.#endings.clear();
    this.#unheard.clear();
    this.#room.changed();
  }

  /** Storage has noted a row's end, or all are gone. */
  #noted(row?: number): void {
    for (const [n, { waiting }] of this.#writing) {
      if (row !== undefined && n !== row) continue;
      this.#writing.delete(n);
      for (const go of waiting) go();
    }
  }

  async retry(id: string): Promise<void> {
    await this.#written(id);
    const kept = this.#letters.get(id);
    if (kept !== undefined) {
      this.#forget(id);
      await this.#room.publish(kept.letter.topic, kept.text, kept.kind);
      return;
    }
    const taken = await this.#take(id, true);
    if (taken === undefined) throw rowUnknown(id);
    const { row, bytes } = taken;
    const notice = ["added", this.#producer, row, 1, bytes] as const;
    this.told(notice);
    this.tell(notice);
  }

  async discard(id: string): Promise<void> {
    await this.#written(id);
    if (this.#forget(id)) return;
    if ((await this.#take(id, false)) !== undefined) return;
    const { publications, turns } = this.#room;
    const rows = [...(await this.#waiting()), ...publications.volatile()];
    const [row] = rows.find(([n]) => this.#isId(id, n)) ?? [];
    if (row === undefined) throw rowUnknown(id);
    publications.discard(row);
    turns.look((core) => core.giveUp(row));
    this.#room.changed();
    turns.settle();
  }

  /** Resolves when nothing waits any more. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushers.push({ resolve, reject });
      this.#room.hurry();
    });
  }

  async wipe(): Promise<void> {
    // Nothing is sent from now on; what is on its way may still arrive.
    this.told(["wiped", true], true);
    this.tell(["wiped", true]);
    this.#letters.clear();
    const last = this.#database === undefined ? 0 : await this.#room.turns.look((core) => core.wipe());
    // Others may have published since, before they hear of it. Of a wipe that failed they keep what is in storage.
    this.tell(["wiped", undefined, last ?? 0, Date.now()]);
    if (last === undefined) {
      this.#endings.wiping(false);
      throw storageUnavailable();
    }
    this.told(["wiped"]);
  }

  /** What readers will see of its rows is known before the first of them has its id. */
  learn(core: Core): string {
    const producer = core.producer();
    for (const name of [this.#spare, producer]) {
      if (!this.#names.has(name)) this.#names.set(name, core.publicName(name));
    }
    // It changes where storage was removed or copied; where it opens late, there may be rows and dead letters of earlier visits.
    if (producer !== "" && producer !== this.#producer) {
      if (this.#producer !== "") this.#room.changed();
      this.#producer = producer;
    }
    return producer;
  }

  /** The core has finished a turn. */
  settle(): void {
    this.#room.turns.look((core) => {
      const producer = this.learn(core);
      if (producer === "") return;
      if (this.#known.length > 0) for (const resolve of this.#known.splice(0)) resolve(producer);
    });
    this.#entrust();
    if (this.#flushers.length === 0) return;
    if (this.#room.isStuck()) for (const { reject } of this.#flushers.splice(0)) reject(this.#room.stuck());
    else if (this.#room.turns.look((core) => core.isStopped())) {
      for (const { reject } of this.#flushers.splice(0)) reject(stopped());
    } else if (this.#room.turns.look((core) => core.isIdle())) {
      for (const { resolve } of this.#flushers.splice(0)) resolve();
    }
  }

  /** Another core begins: it hears what there was nobody to hear. */
  catchUp(): void {
    for (const tell of this.#missed.splice(0)) tell();
  }

  /** The outbox in storage, for a core that goes on with it; empty where it is not known. */
  get stored(): string {
    return this.#producer === this.spare ? "" : this.#producer;
  }

  /** The outbox in memory, for a core that goes on with it. */
  get spare(): string {
    return this.#spare;
  }

  /** What becomes of a row when the page is closed. */
  get deferred(): Deferred {
    return this.#sync.deferred;
  }

  /** Rows that wait for long are the service worker's too: this page may be closed. */
  #entrust(): void {
    if (this.size === 0) {
      clearTimeout(this.#entrusting);
      this.#entrusting = undefined;
      this.#sync.settled();
    } else if (this.#room.isStuck()) this.#sync.ask();
    else this.#entrusting ??= setTimeout(() => this.#sync.ask(), entrustMs);
  }

  close(): void {
    this.#lastSize = this.size;
    if (this.size > 0) this.#sync.ask();
    clearTimeout(this.#entrusting);
    this.#noted();
    this.#tabs?.close();
    this.#tabs = undefined;
    this.#entering = undefined;
    // They lead to the wasm of documents, and a page may keep its closed client.
    this.#known = [];
  }

  // What the core calls: src/web/host.rs.

  /** The partition's name, once it is known whose rows these are. */
  named(): Promise<string> {
    return new Promise((resolve) => {
      // Tabs that are opened now would never be closed.
      if (this.#lastSize !== undefined) return;
      this.#entering = (name) => {
        this.#tabs ??= new Tabs(`${this.#database} ${name}`, this);
        if (this.#wantsToSend) this.#tabs.seek(true);
        resolve(name);
      };
      if (this.#subject !== undefined) this.#entering(this.partitionName);
    });
  }

  partition(before: Partition | undefined): Partition {
    // A service worker knows no more of these than what is there.
    if (before !== undefined && page() === undefined) return before;
    const { hasToken, tokenUrl, isPausing } = this.#room;
    const [producer] = before ?? [randomName()];
    const now: Partition = [producer, this.#base, this.#subject ?? "", hasToken, tokenUrl, isPausing];
    if (before === undefined) return now;
    // What a later version of the package has added stays.
    const added: readonly unknown[] = before.slice(now.length);
    return now.every((known, i) => known === before[i])
      ? before
      : ([...now, ...added] as unknown as Partition);
  }

  seekSender(isWanted: boolean): void {
    this.#wantsToSend = isWanted;
    this.#tabs?.seek(isWanted);
  }

  tell(notice: Notice): void {
    if (notice[0] === "noted") {
      this.#noted(notice[2]);
      this.#endings.noted(notice[2]);
    } else if (notice[0] === "givenUp") this.#endings.discarded(notice[2]);
    this.#tabs?.tell(notice);
  }

  // What the tabs call.

  told(notice: Notice, isOwn = false): void {
    if (notice[0] === "tokenWanted") {
      const [, call, refused] = notice;
      if (!this.#room.hasToken || page() === undefined) return;
      this.#room.token(refused).then(
        (token) => this.#tabs?.tell(["token", call, token]),
        () => {
          // Another tab may have one.
        },
      );
      return;
    }
    if (notice[0] === "noted" && notice[1] === this.#producer) this.#noted(notice[2]);
    if (notice[0] === "givenUp" && notice[1] === this.#producer) this.#room.publications.discard(notice[2]);
    if (notice[0] === "wiped") {
      this.#noted();
      const [, isBeginning, , atMs = Number.POSITIVE_INFINITY] = notice;
      for (const [id, { letter }] of this.#letters)
        if (!isBeginning && letter.createdAtMs < atMs) this.#letters.delete(id);
    }
    if (this.#room.turns.look(() => true) === undefined) {
      this.#missed.push(() => this.told(notice, isOwn));
      return;
    }
    this.#hear(notice, isOwn);
    this.#room.turns.turn((core) => {
      switch (notice[0]) {
        case "added":
          return core.toldAdded(notice[1], notice[2], notice[3], notice[4]);
        case "acked": {
          const [, producer, epoch, rows] = notice;
          for (let i = 0; i < rows.length; i += 5) {
            const [row = 0, attempts = 0, bytes = 0, seq = 0, duplicate] = rows.slice(i, i + 5);
            core.toldAcked(producer, row, attempts, bytes, epoch, seq, duplicate === 1);
          }
          return;
        }
        case "dead":
          return core.toldDead(notice[1], notice[2], notice[3], notice[4], notice[5], notice[6]);
        case "noted":
          return core.toldNoted(notice[1], notice[2]);
        case "givenUp":
          return core.toldGivenUp(notice[1], notice[2]);
        case "renamed":
          return core.toldRenamed(notice[1], notice[2]);
        case "taken":
          return core.toldTaken(notice[1], notice[2]);
        case "wiped": {
          // Earlier versions do not say how far a wipe reaches, and this tab's own wipe reaches everything.
          const [, isBeginning, ...reach] = notice;
          const all = isBeginning && !isOwn ? 0 : Number.POSITIVE_INFINITY;
          return core.toldWiped(!isBeginning, reach[0] ?? all, reach[1] ?? all);
        }
      }
    });
  }

  /** Notices may have been missed. */
  returned(): void {
    this.#room.changed();
    this.#room.turns.settle();
  }

  /** What a notice says of what is shown. */
  #hear(notice: Notice, isOwn: boolean): void {
    if (notice[0] === "taken") {
      // Who took it may have seen it in storage before this one heard that it is there.
      this.#noted(notice[2]);
      this.#unheard.delete(notice[2]);
      this.#room.changed();
    } else if (notice[0] === "wiped") {
      const [, isBeginning = false, last = Number.POSITIVE_INFINITY] = notice;
      for (const row of this.#unheard) if (!isBeginning && row <= last) this.#unheard.delete(row);
      // What is there is still counted while another tab wipes.
      if (isOwn || !isBeginning) this.#endings.wiping(isBeginning);
      this.#room.changed();
    }
    if (notice[1] !== this.#producer) return;
    // Whatever the size comes to: the end of a row may be heard of before the row is.
    if (["added", "acked", "dead"].includes(notice[0])) this.#room.changed();
    switch (notice[0]) {
      case "acked":
        for (let i = 0; i < notice[3].length; i += 5) this.#endings.ended(notice[3][i] ?? 0);
        return;
      case "dead":
        if (!this.#endings.isOver(notice[2]) && !asked.includes(notice[5])) {
          const [oldest = 0] = this.#unheard.add(notice[2]);
          if (this.#unheard.size > lettersMax) this.#unheard.delete(oldest);
        }
        this.#endings.ended(notice[2]);
        return;
      case "givenUp":
        this.#endings.discarded(notice[2]);
        this.#room.changed();
        return;
      case "noted":
        if (this.#unheard.delete(notice[2])) {
          this.#announced.add(notice[2]);
          void this.#announce();
        } else if (!this.#endings.isOver(notice[2])) this.#room.changed();
        this.#endings.noted(notice[2]);
    }
  }

  /** Tells of dead letters of other tabs, which storage has. */
  async #announce(): Promise<void> {
    if (this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    while (this.#announced.size > 0) {
      const rows = new Set(this.#announced);
      this.#announced.clear();
      const stored = await this.#read(true).catch(() => []);
      for (const [n, row] of stored) {
        if (rows.has(n)) this.#room.deadLetter(letterOf(this.id(n), row));
      }
      this.returned();
    }
    this.#isAnnouncing = false;
  }

  /** For a worker, which has no app to ask: an open tab's token, or what the app's endpoint gives. */
  async borrowToken(isRefused: boolean, endpoint: Endpoint | undefined): Promise<string> {
    // The core may ask before it has opened storage.
    await this.named();
    const refused = isRefused ? this.#borrowed : undefined;
    this.#borrowed = await this.#tabs?.borrow(refused);
    if (this.#borrowed !== undefined) return this.#borrowed;
    if (endpoint === undefined) throw new Error("no open tab gave one, and outbox.tokenUrl is not set");
    const token = await endpoint.token(refused);
    // Cookies are of whoever is signed in by now.
    if (this.#subject !== "" && subjectOf(token) === undefined) {
      throw new Error("outbox.tokenUrl gave a token that names nobody");
    }
    this.#borrowed = token;
    return token;
  }

  sends(isSender: boolean): void {
    this.#room.turns.turn((core) => core.sender(isSender));
  }

  isWaiting(): boolean {
    return this.size > 0;
  }

  /** Of nobody's, while nobody is known. */
  get partitionName(): string {
    return partitionName(this.#base, this.#subject ?? "");
  }

  async #read(areLetters: boolean): Promise<readonly [n: number, row: StoredRow][]> {
    if (this.#database === undefined) return [];
    return (await this.#room.turns.look((core) => core.stored(areLetters))) ?? [];
  }

  /** Rows in storage without an outcome, as far as this tab has heard. */
  #waiting(): Promise<readonly [n: number, row: StoredRow][]> {
    const { publications } = this.#room;
    return this.#endings.read(this.#read(false), (stored) =>
      // A row whose end nobody has noted is sent again.
      stored.filter(([n]) => publications.has(n) || !this.#endings.isOver(n)),
    );
  }

  /** A dead letter that was told has its place: in storage, or in memory where that was removed. */
  async #written(id: string): Promise<void> {
    if (this.#writing.size > 0) await this.deadLetters();
    const writing = [...this.#writing.values()].find(({ ended }) => ended.letter.id === id);
    if (writing !== undefined) await new Promise<void>((resolve) => writing.waiting.push(resolve));
  }

  async #take(id: string, isWanted: boolean): Promise<{ row: number; bytes: number } | undefined> {
    const [letter] = (await this.#read(true)).find(([n]) => this.#isId(id, n)) ?? [];
    if (letter === undefined) return undefined;
    const taken = await this.#room.turns.look((core) => core.takeLetter(letter, isWanted));
    if (taken === undefined) return undefined;
    const notice = ["taken", this.#producer, letter] as const;
    this.told(notice);
    this.tell(notice);
    const [row, bytes] = taken;
    return { row, bytes };
  }

  /** A row keeps the ids that it had before its outbox got another name. */
  #isId(id: string, row: number): boolean {
    if (this.id(row) === id) return true;
    // Rows in memory have numbers of their own: an id of one is of no row in storage.
    const names = row < memoryRows ? [...this.#names] : [];
    return names.some(([producer, name]) => producer !== this.#spare && id === `${name}:${row}`);
  }

  /** Forgets what was in memory only. */
  #forget(id: string): boolean {
    const wasThere = this.#letters.delete(id);
    const [, row] = id.split(":");
    if (wasThere) this.told(["taken", this.spare, Number(row)]);
    return wasThere;
  }
}

function stopped(): LonghaulError {
  return new LonghaulError(
    "not_flushed",
    "rows wait for a dead letter, for room on the disk, or for storage",
    {
      hint: "retry or discard the dead letters of their topics, or free what the origin stores",
    },
  );
}

export function rowUnknown(id: string): LonghaulError {
  return new LonghaulError("row_unknown", `there is no row or dead letter ${id}`, {
    hint: "take ids from rows() and deadLetters(); another tab may have been faster",
  });
}
