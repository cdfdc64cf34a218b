// The payloads of this page's publications, and the promises that wait for their outcomes.
//
// A publication is a `Call` until the outbox has a row for it, and then a `Publication`. The core
// owns the order and the identity of both.

import type { Ack, DeadLetter, OutboxRow, PublishOptions, Receipt } from "./api.js";
import {
  kindMessage,
  refusalClosed,
  refusalOutboxFull,
  refusalOutcomeUnknown,
  refusalStorageFull,
  refusalWiped,
  rowMsMax,
  rowStateCancelled,
} from "./boundary.js";
import { closed, LonghaulError } from "./errors.js";
import { nameCharsMax } from "./options.js";
import { randomName } from "./random.js";
import { dataOf, kindOf, type Row } from "./rows.js";
import type { Deferred } from "./sync.js";

/** A document that follows its own changes. */
export interface PublicationObserver {
  queued(row: number): void;
  acked(row: number, ack: Ack): void;
  dead(row: number): void;
}

/** A call of publish, patch or merge that has no row yet. */
export interface Call {
  readonly observer: PublicationObserver | undefined;
  readonly topic: string;
  readonly kind: number;
  readonly text: string;
  readonly options: PublishOptions;
  /** By this device's wall clock. A wipe after that time also removes the call. */
  readonly calledAtMs: number;
  /** Whether an instance of the wasm has begun to save it. */
  isSaving?: boolean;
  resolve(receipt: Receipt): void;
  reject(error: LonghaulError): void;
}

/** A call before the engine has it. */
export type NewCall = Pick<Call, "topic" | "kind" | "text" | "options" | "observer">;

/** A publication with a row, as this page knows it. */
export interface Publication {
  readonly topic: string;
  readonly kind: number;
  readonly text: string;
  /** By this device's wall clock. */
  readonly createdAtMs: number;
  /** By the hub's clock if the row is in storage and the clock is known. */
  readonly expiresAtMs: number | undefined;
  readonly key: string | undefined;
  readonly isDurable: boolean;
  /** How often this client has sent it. */
  attempts: number;
  /** Names the call of publish, so that its page recognises the row in storage. */
  readonly tag: Row[11];
  observer: PublicationObserver | undefined;
  /** Whether the user has discarded it. The hub may have it all the same. */
  isDiscarded: boolean;
  readonly waiting: { resolve: (ack: Ack) => void; reject: (error: LonghaulError) => void }[];
}

/** Storage keeps the verdicts of as many rows. */
const tagsMax = 10_000;

/** Outcomes that the user asked for: they make no dead letter. */
export const withoutDeadLetter = ["discarded", "wiped"];

export class Publications {
  readonly #calls = new Map<number, Call>();
  readonly #rows = new Map<number, Publication>();
  /** The tags of rows that have ended, until storage has recorded the end. */
  readonly #tags = new Map<number, NonNullable<Row[11]>>();
  readonly #id: (row: number) => string;
  /** Distinguishes this page's tags from those of other pages. */
  readonly #page = randomName();
  #lastRequest = 0;
  #lastVolatile = 0;
  readonly #deferred: () => Deferred;
  readonly #sent: () => void;

  /** `sent` reports that a row is sent for the first time. */
  constructor(id: (row: number) => string, deferred: () => Deferred, sent: () => void) {
    this.#id = id;
    this.#deferred = deferred;
    this.#sent = sent;
  }

  /** The calls without a row, by request. A new core gets them from here. */
  get calls(): ReadonlyMap<number, Call> {
    return this.#calls;
  }

  /**
   * The rows that a new core has to know, in order: those in memory, and those that a receipt here
   * waits for.
   */
  get awaited(): readonly [row: number, awaited: Publication][] {
    return [...this.#rows].filter(([, { isDurable, waiting }]) => !isDurable || waiting.length > 0);
  }

  /** The rows of the memory outbox without an outcome, in order. */
  get kept(): readonly [row: number, kept: Publication][] {
    return [...this.#rows].filter(([, { isDurable }]) => !isDurable);
  }

  /** The last number that the memory outbox has used. */
  get lastVolatile(): number {
    return this.#lastVolatile;
  }

  /** The tag of a row's call, whichever page made it; also after the row's end. */
  tagOf(row: number): Row[11] {
    return this.#rows.get(row)?.tag ?? this.#tags.get(row);
  }

  /** Keeps a call, and returns the number of its request. */
  begin(call: Call): number {
    const request = ++this.#lastRequest;
    this.#calls.set(request, call);
    return request;
  }

  /**
   * The core has given the call a row. If the key replaces a known row, that row gets the new
   * payload.
   */
  queued(request: number, row: number, isDurable: boolean): void {
    const call = this.#take(request);
    if (!isDurable) this.#lastVolatile = Math.max(this.#lastVolatile, row);
    if (call === undefined) return;
    const waiting = this.#rows.get(row)?.waiting ?? [];
    const { topic, kind, text, observer, options } = call;
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
      observer,
      isDiscarded: false,
      waiting,
    });
    const acked = new Promise<Ack>((resolve, reject) => waiting.push({ resolve, reject }));
    // An app that ignores the promise still gets the event `deadletter`.
    acked.catch(() => {});
    observer?.queued(row);
    const receipt: Receipt = { id: this.#id(row), durable: isDurable, acked };
    if (isDurable) receipt.deferred = this.#deferred();
    call.resolve(receipt);
  }

  /** The core refuses the call. */
  refused(request: number, why: number, bytesMax: number): void {
    this.#take(request)?.reject(refusal(why, bytesMax));
  }

  /**
   * The row that storage is to keep for a call. Throws if there is no such call: an instance that
   * asks for one is broken, and the exception ends it.
   */
  row(
    request: number,
    stored: {
      partition: string;
      bytes: number;
      createdAtMs: number;
      expiresAtMs: number;
      isHubTime: boolean;
    },
  ): Row {
    const call = this.#calls.get(request);
    if (call === undefined) throw new Error(`no call ${request} waits for a row`);
    const { topic, kind, text, options } = call;
    const { partition, bytes, createdAtMs, expiresAtMs, isHubTime } = stored;
    // An instance may save the row and crash before it reports that.
    const tag = `${this.#page}:${request}`;
    call.isSaving = true;
    return [partition, topic, kind, text, bytes, createdAtMs, expiresAtMs, isHubTime, options.key, 0, 0, tag];
  }

  /** The core has read a row from storage. A known row may have another payload by now. */
  restored(row: number, stored: Row): void {
    const [, topic, kind, text, , createdAtMs, expiresAtMs, , key, state, , tag] = stored;
    const { waiting = [], attempts = 0, observer, isDiscarded = false } = this.#rows.get(row) ?? {};
    this.#rows.set(row, {
      topic,
      kind,
      text,
      createdAtMs,
      expiresAtMs,
      // An earlier version accepted keys of any length.
      key: key !== undefined && key.length > nameCharsMax ? undefined : key,
      isDurable: true,
      attempts,
      tag,
      observer,
      isDiscarded: isDiscarded || state === rowStateCancelled,
      waiting,
    });
  }

  /**
   * The user discards a row. Its document hides the change at once, whatever the verdict will be.
   */
  discard(row: number): void {
    const known = this.#rows.get(row);
    if (known === undefined || known.isDiscarded) return;
    known.isDiscarded = true;
    known.observer?.dead(row);
  }

  /** A row is gone from storage, or may be, and this client will not get its verdict. */
  forget(row: number): void {
    const { observer } = this.#rows.get(row) ?? {};
    this.#rows.delete(row);
    observer?.dead(row);
  }

  /**
   * The core has crashed. The next one reads the rows from storage that no receipt here waits for.
   */
  forgetOthers(): void {
    for (const [row, { isDurable, waiting }] of this.#rows) {
      if (isDurable && waiting.length === 0) this.forget(row);
    }
  }

  /** Gives each change of a document that came from storage an observer. */
  adopt(topic: string, observer: (kind: number, text: string) => PublicationObserver): void {
    for (const [no, row] of this.#rows) {
      const isNew = row.topic === topic && row.kind !== kindMessage && row.observer === undefined;
      if (!isNew || row.isDiscarded) continue;
      row.observer = observer(row.kind, row.text);
      row.observer.queued(no);
    }
  }

  /** The payload to send for a row; empty for an unknown row. */
  payload(row: number): string {
    const publication = this.#rows.get(row);
    if (publication === undefined) return "";
    if (publication.attempts++ === 0) this.#sent();
    return publication.text;
  }

  /** Whether this page knows the row, and it has no outcome. */
  has(row: number): boolean {
    return this.#rows.has(row);
  }

  attempts(row: number): number {
    return this.#rows.get(row)?.attempts ?? 0;
  }

  acked(row: number, ack: Ack): void {
    const settled = this.#end(row);
    settled?.observer?.acked(row, ack);
    for (const { resolve } of settled?.waiting ?? []) resolve(ack);
  }

  /** Ends a row. Returns it with its dead letter, unless the user asked for the end. */
  dead(
    row: number,
    attempts: number,
    reason: DeadLetter["reason"],
  ): { publication: Publication; deadLetter: DeadLetter } | undefined {
    const publication = this.#end(row);
    if (publication === undefined) return undefined;
    publication.observer?.dead(row);
    const { topic, createdAtMs, expiresAtMs, text, kind } = publication;
    for (const { reject } of publication.waiting.splice(0)) {
      reject(new LonghaulError(reason.code, reason.message));
    }
    if (withoutDeadLetter.includes(reason.code)) return undefined;
    const id = this.#id(row);
    const data = dataOf(text);
    const deadLetter: DeadLetter = { id, topic, kind: kindOf(kind), attempts, createdAtMs, data, reason };
    if (expiresAtMs !== undefined) deadLetter.expiresAtMs = expiresAtMs;
    return { publication, deadLetter };
  }

  /**
   * The client is closed: rejects the receipts of durable rows, and the calls. The rows stay in
   * storage.
   */
  close(): void {
    const error = new LonghaulError("closed", "the client was closed before the hub answered");
    for (const { waiting, isDurable } of this.#rows.values()) {
      if (isDurable) for (const { reject } of waiting) reject(error);
    }
    for (const [request, { reject }] of this.#calls) {
      this.#calls.delete(request);
      reject(error);
    }
  }

  /** The rows of the memory outbox without an outcome, for the app. */
  volatile(): readonly [row: number, shown: OutboxRow][] {
    return this.kept.map(([row, { topic, kind, attempts, createdAtMs, expiresAtMs, text, isDiscarded }]) => {
      const state = isDiscarded ? "discarding" : attempts > 0 ? "sent" : "queued";
      const id = this.#id(row);
      const data = dataOf(text);
      const shown: OutboxRow = { id, topic, kind: kindOf(kind), state, attempts, createdAtMs, data };
      if (expiresAtMs !== undefined) shown.expiresAtMs = expiresAtMs;
      return [row, shown];
    });
  }

  #end(row: number): Publication | undefined {
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
  if (why === refusalClosed) return closed();
  if (why === refusalOutcomeUnknown) {
    return new LonghaulError(
      "outcome_unknown",
      "the outbox was wiped or removed while it saved this publication",
      { hint: "it may have been sent: read the topic before you publish it again" },
    );
  }
  if (why === refusalWiped) return new LonghaulError("wiped", "the outbox was wiped, as for a log-out");
  if (why === refusalOutboxFull) {
    return new LonghaulError("outbox_full", "the outbox has reached its limit of rows or bytes", {
      hint: "wait for acks, or raise outbox.rowsMax and outbox.bytesMax",
    });
  }
  if (why === refusalStorageFull) {
    return new LonghaulError(
      "storage_full",
      "the browser has no room for the publication: two attempts to save it failed",
      { hint: "wait for acks, or free some of the origin's storage" },
    );
  }
  return new LonghaulError(
    "payload_too_large",
    `the payload is larger than the hub's limit of ${bytesMax} bytes`,
    { hint: "publish a smaller payload, or a link to it" },
  );
}
