// The payloads of publications, and the promises that wait for their outcome. Order and identity are the core's.

import type { Ack, DeadLetter, OutboxRow, PublishOptions, Receipt } from "./api.js";
import {
  refusalClosed,
  refusalOutboxFull,
  refusalOutcomeUnknown,
  refusalStorageFull,
  refusalWiped,
  rowMsMax,
} from "./boundary.js";
import { LonghaulError } from "./errors.js";
import { nameCharsMax } from "./options.js";
import { randomName } from "./random.js";
import { kindOf, type StoredRow } from "./rows.js";
import type { Deferred } from "./sync.js";

/** Who wants to know what becomes of a row. */
export interface Follower {
  queued(row: number): void;
  acked(row: number, ack: Ack): void;
  dead(row: number): void;
}

export interface Call {
  follower: Follower | undefined;
  topic: string;
  kind: number;
  text: string;
  options: PublishOptions;
  /** By the machine's clock: an instance that begins later is told when it was, as a wipe may have come in between. */
  calledAtMs: number;
  /** An instance has begun to save it. */
  isSaving?: boolean;
  resolve: (receipt: Receipt) => void;
  reject: (error: LonghaulError) => void;
}

export interface Row {
  topic: string;
  kind: number;
  text: string;
  createdAtMs: number;
  expiresAtMs: number | undefined;
  key: string | undefined;
  isDurable: boolean;
  /** How often it was sent by this client. */
  attempts: number;
  /** What its call is known by to the page that published it. */
  tag: string | undefined;
  follower: Follower | undefined;
  /** The user has discarded it, and it is not shown: the hub may have it all the same. */
  isDiscarded: boolean;
  waiting: { resolve: (ack: Ack) => void; reject: (error: LonghaulError) => void }[];
}

/** What became of a row that will never take effect. */
export interface Ended {
  readonly letter: DeadLetter;
  readonly kind: number;
  readonly text: string;
  readonly isDurable: boolean;
}

/** As many tags as storage keeps verdicts. */
const tagsMax = 10_000;

/** A row's state in storage: src/web/store/row.rs. */
const discarded = 2;

/** Reasons that are no dead letters: the user asked for it. */
export const asked = ["discarded", "wiped"];

export class Publications {
  readonly #calls = new Map<number, Call>();
  readonly #rows = new Map<number, Row>();
  /** Of rows that have ended, until storage has noted that. */
  readonly #tags = new Map<number, string>();
  readonly #id: (row: number) => string;
  /** Makes the tags of this page's calls its own. */
  readonly #page = randomName();
  #lastRequest = 0;
  #lastVolatile = 0;

  readonly #deferred: () => Deferred;

  constructor(id: (row: number) => string, deferred: () => Deferred) {
    this.#id = id;
    this.#deferred = deferred;
  }

  /** What a core that takes the place of another has to know: calls without a row, by their requests. */
  get calls(): ReadonlyMap<number, Call> {
    return this.#calls;
  }

  /** And rows without an outcome, in their order: those that are in memory only, and those in storage that somebody here waits for. */
  get awaited(): readonly [row: number, awaited: Row][] {
    return [...this.#rows].filter(([, { isDurable, waiting }]) => !isDurable || waiting.length > 0);
  }

  /** Rows without an outcome that are in memory only, in their order. */
  get kept(): readonly [row: number, kept: Row][] {
    return [...this.#rows].filter(([, { isDurable }]) => !isDurable);
  }

  /** The last number that a row in memory has been given. */
  get lastVolatile(): number {
    return this.#lastVolatile;
  }

  /** What the call of a row is known by, whoever published it, after the row's end too. */
  tagOf(row: number): string | undefined {
    return this.#rows.get(row)?.tag ?? this.#tags.get(row);
  }

  /** Notes a call of publish and numbers it. */
  begin(call: Call): number {
    const request = ++this.#lastRequest;
    this.#calls.set(request, call);
    return request;
  }

  /** The core has given the call a row; a row that is known gets the new payload. */
  queued(request: number, row: number, isDurable: boolean): void {
    const call = this.#take(request);
    if (!isDurable) this.#lastVolatile = Math.max(this.#lastVolatile, row);
    if (call === undefined) return;
    const waiting = this.#rows.get(row)?.waiting ?? [];
    const { topic, kind, text, follower, options } = call;
    const createdAtMs = Date.now();
    const ttlMs = options.ttlMs ?? (isDurable ? rowMsMax : undefined);
    const expiresAtMs = ttlMs === undefined ? undefined : createdAtMs + ttlMs;
    this.#rows.set(row, {
      topic,
      kind,
      text,
      createdAtMs,
      expiresAtMs,
      key: options.key,
      isDurable,
      attempts: 0,
      tag: undefined,
      follower,
      isDiscarded: false,
      waiting,
    });
    const acked = new Promise<Ack>((resolve, reject) => waiting.push({ resolve, reject }));
    // Whoever looks at it gets the rejection; whoever does not has the deadletter event.
    acked.catch(() => {});
    follower?.queued(row);
    const receipt: Receipt = { id: this.#id(row), durable: isDurable, acked };
    if (isDurable) receipt.deferred = this.#deferred();
    call.resolve(receipt);
  }

  /** The core does not take the call. */
  refused(request: number, why: number, bytesMax: number): void {
    this.#take(request)?.reject(refusal(why, bytesMax));
  }

  /**
   * A call as storage is to keep it. A row is never made up: who asks for a call that is not waiting is an instance that has lost
   * its mind, and this is its end.
   */
  row(
    request: number,
    partition: string,
    bytes: number,
    createdAtMs: number,
    untilMs: number,
    isHubTime: boolean,
  ): StoredRow {
    const call = this.#calls.get(request);
    if (call === undefined) throw new Error(`no call ${request} waits for a row`);
    const { topic, kind, text, options } = call;
    // What it is known by: an instance that crashes may have saved it without a word.
    const tag = `${this.#page}:${request}`;
    call.isSaving = true;
    return [partition, topic, kind, text, bytes, createdAtMs, untilMs, isHubTime, options.key, 0, 0, tag];
  }

  /** A row of storage, whoever published it; one that is known may have another payload by now. */
  restored(row: number, stored: StoredRow): void {
    const [, topic, kind, text, , createdAtMs, expiresAtMs, , key, state, , tag] = stored;
    const { waiting = [], attempts = 0, follower, isDiscarded = false } = this.#rows.get(row) ?? {};
    this.#rows.set(row, {
      topic,
      kind,
      text,
      createdAtMs,
      expiresAtMs,
      // An earlier version took any.
      key: key !== undefined && key.length > nameCharsMax ? undefined : key,
      isDurable: true,
      attempts,
      tag,
      follower,
      isDiscarded: isDiscarded || state === discarded,
      waiting,
    });
  }

  /** The user discards a row. A document does not show it any more, whatever the hub will say of it. */
  discard(row: number): void {
    const known = this.#rows.get(row);
    if (known === undefined || known.isDiscarded) return;
    known.isDiscarded = true;
    known.follower?.dead(row);
  }

  /** A row is no longer in storage, or not known to be, and nobody here hears of its verdict. */
  forget(row: number): void {
    const { follower } = this.#rows.get(row) ?? {};
    this.#rows.delete(row);
    follower?.dead(row);
  }

  /** The core has crashed: the next one finds the rows in storage that nobody here waits for, if they are still there. */
  forgetOthers(): void {
    for (const [row, { isDurable, waiting }] of this.#rows) {
      if (isDurable && waiting.length === 0) this.forget(row);
    }
  }

  /** Lets `follower` know of the changes of a document that were found in storage. */
  adopt(topic: string, follower: (kind: number, text: string) => Follower): void {
    for (const [no, row] of this.#rows) {
      const isNew = row.topic === topic && row.kind !== 0 && row.follower === undefined;
      if (!isNew || row.isDiscarded) continue;
      row.follower = follower(row.kind, row.text);
      row.follower.queued(no);
    }
  }

  /** What is sent for a row; nothing for none. */
  payload(row: number): string {
    const publication = this.#rows.get(row);
    if (publication === undefined) return "";
    publication.attempts++;
    return publication.text;
  }

  /** Whether it is known here, and has no outcome. */
  has(row: number): boolean {
    return this.#rows.has(row);
  }

  attempts(row: number): number {
    return this.#rows.get(row)?.attempts ?? 0;
  }

  acked(row: number, ack: Ack): void {
    const settled = this.#end(row);
    settled?.follower?.acked(row, ack);
    for (const { resolve } of settled?.waiting ?? []) resolve(ack);
  }

  /** Ends a row for good. The dead letter is for the event, and for whoever keeps it where storage does not. */
  dead(row: number, attempts: number, reason: DeadLetter["reason"]): Ended | undefined {
    const settled = this.#end(row);
    if (settled === undefined) return undefined;
    settled.follower?.dead(row);
    const { topic, createdAtMs, expiresAtMs, text, kind, isDurable } = settled;
    for (const { reject } of settled.waiting) reject(new LonghaulError(reason.code, reason.message));
    if (asked.includes(reason.code)) return undefined;
    const id = this.#id(row);
    const data: unknown = JSON.parse(text);
    const letter: DeadLetter = { id, topic, kind: kindOf(kind), attempts, createdAtMs, data, reason };
    if (expiresAtMs !== undefined) letter.expiresAtMs = expiresAtMs;
    return { letter, kind, text, isDurable };
  }

  /** The client is closed: nobody hears of these any more. What is in storage is not lost. */
  close(): void {
    const error = new LonghaulError("closed", "the client was closed before the hub had answered");
    for (const { waiting, isDurable } of this.#rows.values()) {
      if (isDurable) for (const { reject } of waiting) reject(error);
    }
    for (const [request, { reject }] of this.#calls) {
      this.#calls.delete(request);
      reject(error);
    }
  }

  /** Rows without an outcome, in memory only. */
  volatile(): readonly [row: number, shown: OutboxRow][] {
    return this.kept.map(([row, { topic, kind, attempts, createdAtMs, expiresAtMs, text, isDiscarded }]) => {
      const state = isDiscarded ? "discarding" : attempts > 0 ? "sent" : "queued";
      const id = this.#id(row);
      const data: unknown = JSON.parse(text);
      const shown: OutboxRow = { id, topic, kind: kindOf(kind), state, attempts, createdAtMs, data };
      if (expiresAtMs !== undefined) shown.expiresAtMs = expiresAtMs;
      return [row, shown];
    });
  }

  #end(row: number): Row | undefined {
    const ended = this.#rows.get(row);
    this.#rows.delete(row);
    if (ended?.tag !== undefined) {
      this.#tags.set(row, ended.tag);
      const [oldest = row] = this.#tags.keys();
      if (this.#tags.size > tagsMax) this.#tags.delete(oldest);
    }
    return ended;
  }

  #take(request: number): Call | undefined {
    const call = this.#calls.get(request);
    this.#calls.delete(request);
    return call;
  }
}

function refusal(why: number, bytesMax: number): LonghaulError {
  if (why === refusalClosed) return new LonghaulError("closed", "the client is closed");
  if (why === refusalOutcomeUnknown) {
    return new LonghaulError(
      "outcome_unknown",
      "the outbox was wiped or removed while this was being saved",
      { hint: "it may or may not have been sent: look at the topic before publishing it again" },
    );
  }
  if (why === refusalWiped) return new LonghaulError("wiped", "the outbox was wiped, as for a log-out");
  if (why === refusalOutboxFull) {
    return new LonghaulError("outbox_full", "the outbox has as many rows or bytes as it may", {
      hint: "wait until some are acknowledged, or raise outbox.rowsMax and outbox.bytesMax",
    });
  }
  if (why === refusalStorageFull) {
    return new LonghaulError(
      "storage_full",
      "the browser's storage did not take it, twice: there is no room",
      {
        hint: "wait until rows are acknowledged, or free what the origin stores",
      },
    );
  }
  return new LonghaulError(
    "payload_too_large",
    `the payload is larger than the ${bytesMax} bytes that the hub takes`,
    {
      hint: "publish a smaller payload, or a link to it",
    },
  );
}
