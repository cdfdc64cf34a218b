// The payloads of publications, and the promises that wait for their outcome. Order and identity are the core's.

import type { Ack, DeadLetter, PublishOptions, Receipt } from "./api.js";
import { LonghaulError } from "./errors.js";

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
  resolve: (receipt: Receipt) => void;
  reject: (error: LonghaulError) => void;
}

interface Row extends Call {
  id: string;
  createdAtMs: number;
  /** How often its payload was sent. */
  attempts: number;
  waiting: { resolve: (ack: Ack) => void; reject: (error: LonghaulError) => void }[];
}

export class Publications {
  readonly #calls = new Map<number, Call>();
  readonly #rows = new Map<number, Row>();
  #lastRequest = 0;
  #lastRow = 0;

  /** What a core that takes the place of another has to know: calls without a row, by their requests. */
  get calls(): ReadonlyMap<number, Call> {
    return this.#calls;
  }

  /** And rows without an outcome, in their order. */
  get kept(): ReadonlyMap<number, Row> {
    return this.#rows;
  }

  /** The last number that a row has been given. */
  get lastRow(): number {
    return this.#lastRow;
  }

  /** Notes a call of publish and numbers it. */
  begin(call: Call): number {
    const request = ++this.#lastRequest;
    this.#calls.set(request, call);
    return request;
  }

  /** The core has given the call a row; a row that is known gets the new payload. */
  queued(request: number, row: number, id: string): void {
    const call = this.#take(request);
    this.#lastRow = Math.max(this.#lastRow, row);
    if (call === undefined) return;
    const waiting = this.#rows.get(row)?.waiting ?? [];
    this.#rows.set(row, { ...call, id, createdAtMs: Date.now(), attempts: 0, waiting });
    const acked = new Promise<Ack>((resolve, reject) => waiting.push({ resolve, reject }));
    // Whoever looks at it gets the rejection; whoever does not has the deadletter event.
    acked.catch(() => {});
    call.follower?.queued(row);
    call.resolve({ id, durable: false, acked });
  }

  refused(request: number, error: LonghaulError): void {
    this.#take(request)?.reject(error);
  }

  payload(row: number): string {
    const sent = this.#rows.get(row);
    if (sent === undefined) return "null";
    sent.attempts++;
    return sent.text;
  }

  acked(row: number, ack: Ack): void {
    const settled = this.#rows.get(row);
    this.#rows.delete(row);
    settled?.follower?.acked(row, ack);
    for (const { resolve } of settled?.waiting ?? []) resolve(ack);
  }

  /** Ends a row for good. The dead letter is for the event. */
  dead(row: number, attempts: number, reason: DeadLetter["reason"]): DeadLetter | undefined {
    const settled = this.#rows.get(row);
    if (settled === undefined) return undefined;
    this.#rows.delete(row);
    settled.follower?.dead(row);
    const { id, topic, createdAtMs, options, text } = settled;
    const letter: DeadLetter = { id, topic, attempts, createdAtMs, data: JSON.parse(text), reason };
    if (options.ttlMs !== undefined) letter.expiresAtMs = createdAtMs + options.ttlMs;
    for (const { reject } of settled.waiting) reject(new LonghaulError(reason.code, reason.message));
    return letter;
  }

  /** The rows without an outcome. */
  rows(): number[] {
    return [...this.#rows.keys()];
  }

  #take(request: number): Call | undefined {
    const call = this.#calls.get(request);
    this.#calls.delete(request);
    return call;
  }
}
