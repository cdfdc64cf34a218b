// Runs the core: its other side is src/web. Listeners of the user run last, when the core has finished its turn.

import type {
  DeadLetter,
  Diagnosis,
  Metrics,
  Options,
  PublishOptions,
  Receipt,
  Status,
  TransportName,
} from "./api.js";
import { type Ease, transportNames, triedOf } from "./diagnosis.js";
import { closeReason, LonghaulError } from "./errors.js";
import {
  isMessages,
  isOfDocument,
  type Messages,
  type Receiver,
  readCheckpoint,
  readMessages,
  readOfDocument,
} from "./frame.js";
import { recall, remember } from "./memory.js";
import { jitterNumber, transportNumbers } from "./options.js";
import { Outgoing } from "./outgoing.js";
import { Place } from "./place.js";
import { type Follower, Publications } from "./publications.js";
import type { Stream } from "./stream.js";
import { askToken } from "./token.js";
import { Core, CoreOptions } from "./wasm/longhaul.js";

/** What an engine tells the client that owns it. */
export interface Owner {
  status(status: Status): void;
  deadLetter(letter: DeadLetter): void;
  error(error: LonghaulError): void;
}

/** Where a subscription begins, as rule C4 has it: a text may be a cursor too. */
export type From = string | number;

/** The core's answer to a messages record, where it is no number of messages to skip. */
const toldHost = -2;

export class Engine {
  readonly #core: Core;
  readonly #owner: Owner;
  readonly #streams = new Map<number, Receiver>();
  readonly #publications = new Publications();
  readonly #outgoing = new Outgoing((connection, frame) => this.#core.post(connection, frame));
  readonly #place: Place;
  readonly #base: string;
  readonly #producer: string;
  readonly #token: Options["token"];
  #isClosed = false;
  /** What to do when the core has finished its turn. */
  #later: (() => void)[] = [];
  #isSettling = false;
  /** Runs held for a hole before them, by number. */
  readonly #held = new Map<number, Messages>();
  #run = 0;
  readonly #read: Messages = {
    no: 0,
    first: 0,
    count: 0,
    chain: 0,
    at: 0,
    isBatch: false,
    data: undefined,
    id: undefined,
    chars: 0,
    kind: 0,
  };
  #charsReceived = 0;

  constructor(bases: readonly string[], options: Options, owner: Owner) {
    this.#owner = owner;
    this.#token = options.token;
    this.#base = bases[0] ?? "";
    this.#place = new Place(this.#base, (isGranted) => this.#turn(() => this.#core.placed(isGranted)));
    const coreOptions = engineOptions(options, this.#base);
    this.#core = new Core([...bases], coreOptions, this);
    coreOptions.free();
    this.#producer = this.#core.producer();
  }

  start(): void {
    this.#turn(() => this.#core.start());
  }

  subscribe(stream: Stream, from: From): void {
    this.#streams.set(stream.no, stream);
    this.#turn(() => this.#core.subscribe(stream.no, stream.topic, String(from), stream.isPassive));
  }

  /** Whether somebody waits for a stream's messages may have changed. */
  reconsider(stream: Stream): void {
    if (this.#streams.has(stream.no)) this.#turn(() => this.#core.setPassive(stream.no, stream.isPassive));
  }

  /** Why polls are short, if they are: nothing is urgent, or other tabs have the browser's connections. */
  get ease(): Ease | undefined {
    return this.#core.isQuiet() ? "passive" : this.#place.isDenied ? "crowded" : undefined;
  }

  get producer(): string {
    return this.#producer;
  }

  follow(document: Receiver): void {
    this.#streams.set(document.no, document);
    this.#turn(() => this.#core.follow(document.no, document.topic));
  }

  resync(document: Receiver): void {
    if (this.#streams.has(document.no)) this.#turn(() => this.#core.resync(document.no));
  }

  unsubscribe(stream: Receiver): void {
    if (this.#streams.delete(stream.no)) this.#turn(() => this.#core.unsubscribe(stream.no));
  }

  publish(
    topic: string,
    text: string,
    options: PublishOptions,
    kind = 0,
    follower?: Follower,
  ): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const request = this.#publications.begin({ topic, text, options, resolve, reject, follower });
      const { ttlMs, key } = options;
      this.#turn(() => this.#core.publish(request, topic, kind, utf8Bytes(text), ttlMs, key));
    });
  }

  metrics(): Metrics {
    return {
      ...this.#core.metrics(),
      outboxRows: this.#core.outboxRows(),
      bytesReceived: this.#charsReceived,
      bytesSent: this.#outgoing.charsSent,
    };
  }

  tried(): Diagnosis["tried"] {
    return triedOf(this.#core.tried());
  }

  reconnect(): void {
    this.#turn(() => this.#core.reconnect());
  }

  close(): void {
    this.#isClosed = true;
    this.#turn(() => this.#core.close());
    this.#place.leave();
    this.#streams.clear();
    for (const row of this.#publications.rows()) {
      this.dead(row, 0, "closed", "the client was closed before the hub had answered");
    }
    this.settle();
  }

  /** One turn of the core, and then the listeners. */
  #turn(act: () => void): void {
    act();
    this.settle();
  }

  // What the core calls: src/web/host.rs.

  receiver(connection: number): (event: MessageEvent) => void {
    return ({ data }) => {
      if (typeof data === "string") this.#receive(connection, data);
      else this.#garbage(connection, true);
    };
  }

  transmit(socket: WebSocket, records: string): void {
    this.#outgoing.add(socket, records);
  }

  received(connection: number, frame: string): void {
    this.#place.look();
    this.#receive(connection, frame);
  }

  askToken(reason: number): void {
    askToken(this.#token, reason).then(
      ({ text, livesMs }) => {
        if (!this.#isClosed) this.#turn(() => this.#core.token(text, livesMs));
      },
      (error: LonghaulError) => {
        if (this.#isClosed) return;
        this.#later.push(() => this.#owner.error(error));
        this.#turn(() => this.#core.noToken(error.message));
      },
    );
  }

  place(isWanted: boolean): void {
    if (isWanted) this.#place.seek();
    else this.#place.leave();
  }

  remember(transport: number): void {
    const name = transportNames[transport];
    if (name !== undefined) remember(this.#base, name);
  }

  postPublication(connection: number, head: string, row: number): void {
    this.#outgoing.add(connection, head + this.#publications.payload(row));
  }

  transmitPublication(socket: WebSocket, head: string, row: number): void {
    this.#outgoing.add(socket, head + this.#publications.payload(row));
  }

  statusChanged(
    kind: number,
    transport: number,
    attempt: number,
    isExhausted: boolean,
    ms: number,
    rttMs: number | undefined,
    closeCode: number,
    detail: string,
  ): void {
    const status = statusOf(
      kind,
      transportNames[transport] ?? "websocket",
      attempt,
      isExhausted,
      ms,
      rttMs,
      closeCode,
      detail,
    );
    this.#later.push(() => this.#owner.status(status));
  }

  deliver(no: number, run: number, skip: number): void {
    const messages = run === this.#run ? { ...this.#read } : this.#held.get(run);
    this.#held.delete(run);
    if (messages !== undefined) this.#later.push(() => this.#streams.get(no)?.deliver(messages, skip));
  }

  hold(run: number): void {
    this.#held.set(run, { ...this.#read });
  }

  discard(run: number): void {
    this.#held.delete(run);
  }

  streaming(no: number, cursor: string): void {
    this.#later.push(() => {
      const stream = this.#streams.get(no);
      if (stream === undefined) return;
      const [epoch = "", seq, chain] = cursor.split("/");
      stream.epoch = epoch;
      stream.follows?.(Number(seq), Number(chain));
    });
  }

  gap(no: number, epoch: string, fromSeq: number, toSeq: number | undefined, reason: string): void {
    const gap = { epoch, fromSeq, toSeq: toSeq ?? Number.POSITIVE_INFINITY, reason };
    this.#later.push(() => this.#streams.get(no)?.tellGap(gap));
  }

  refused(no: number, code: string, message: string): void {
    const topic = this.#streams.get(no)?.topic;
    this.#later.push(() => this.#owner.error(new LonghaulError(code, `${topic}: ${message}`)));
  }

  queued(request: number, row: number): void {
    this.#publications.queued(request, row, `${this.#producer}:${row}`);
  }

  publishRefused(request: number, isClosed: boolean, bytesMax: number | undefined): void {
    this.#publications.refused(request, refusal(isClosed, bytesMax));
  }

  acked(row: number, epoch: string, seq: number, duplicate: boolean): void {
    this.#publications.acked(row, { epoch, seq, duplicate });
  }

  dead(row: number, attempts: number, code: string, message: string): void {
    const letter = this.#publications.dead(row, attempts, { code, message });
    if (letter !== undefined) this.#later.push(() => this.#owner.deadLetter(letter));
  }

  settle(): void {
    // A listener that calls the client is served here, after what was noted before.
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      while (this.#later.length > 0) {
        const later = this.#later;
        this.#later = [];
        for (const act of later) act();
      }
    } finally {
      this.#isSettling = false;
    }
  }

  /** A frame: the way of every message. No closure stands here: what it captures would be allocated for every record. */
  #receive(connection: number, text: string): void {
    this.#charsReceived += text.length;
    const core = this.#core;
    const read = this.#read;
    for (let at = 0; at < text.length; ) {
      const newline = text.indexOf("\n", at);
      const end = newline < 0 ? text.length : newline;
      if (!isMessages(text, at)) {
        if (end > at) this.#record(connection, text.slice(at, end));
      } else if (readMessages(text, at, end, read)) {
        const run = this.#nextRun();
        const { no, first, count, chain, chars } = read;
        const skip = core.messages(connection, no, run, first, count, chain, chars);
        if (skip >= 0) this.#streams.get(no)?.deliver(read, skip);
        else if (skip === toldHost) this.settle();
      } else {
        this.#garbage(connection, false);
        return;
      }
      at = end + 1;
    }
  }

  #record(connection: number, record: string): void {
    if (isOfDocument(record)) this.#ofDocument(connection, record);
    else this.#core.record(connection, record);
    this.settle();
  }

  /** The way of a document's records: numbered as messages are, and handed over as text. */
  #ofDocument(connection: number, record: string): void {
    const read = this.#read;
    if (record.startsWith("checkpoint")) {
      const hash = readCheckpoint(record, read);
      this.#streams.get(read.no)?.checkpoint?.(read.first, hash);
      return;
    }
    if (!readOfDocument(record, read)) {
      this.#core.garbage(connection, false);
      return;
    }
    const run = this.#nextRun();
    const { no, first, chain, chars, kind } = read;
    const skip =
      kind === 3
        ? this.#core.snapshot(connection, no, run, first, chain)
        : this.#core.messages(connection, no, run, first, 1, chain, chars);
    if (skip === 0) this.#streams.get(no)?.deliver(read, 0);
  }

  #garbage(connection: number, isBinary: boolean): void {
    this.#core.garbage(connection, isBinary);
    this.settle();
  }

  #nextRun(): number {
    this.#run = (this.#run + 1) % 2 ** 31;
    return this.#run;
  }
}

/** What the user wants, in order of preference. */
export function wantedTransports({ transports }: Options): readonly TransportName[] {
  return transports ?? transportNames;
}

function engineOptions(given: Options, base: string): CoreOptions {
  const { backoff, heartbeat, outbox, token } = given;
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  const options = new CoreOptions((high % 2 ** 21) * 2 ** 32 + low);
  for (const number of transportNumbers(wantedTransports(given))) options.transport(number);
  const worked = recall(base);
  if (worked !== undefined) options.worked(transportNames.indexOf(worked));
  if (token !== undefined) options.hasTokens();
  if (backoff !== undefined) {
    const { baseMs = 1_000, factor = 2, capMs = 30_000, jitter = "full", attemptsMax = 20 } = backoff;
    options.backoff(baseMs, factor, capMs, jitterNumber(jitter), attemptsMax);
  }
  if (heartbeat !== undefined) {
    options.heartbeat(heartbeat.intervalMs ?? 25_000, heartbeat.timeoutMs ?? 10_000);
  }
  if (outbox) options.outbox(outbox.rowsMax ?? 50_000, outbox.bytesMax ?? 16 * 1024 * 1024);
  return options;
}

function statusOf(
  kind: number,
  transport: TransportName,
  attempt: number,
  isExhausted: boolean,
  ms: number,
  rttMs: number | undefined,
  closeCode: number,
  detail: string,
): Status {
  switch (kind) {
    case 0:
      return { state: "connecting", attempt, transport };
    case 1: {
      const sinceMs = Date.now() - ms;
      return rttMs === undefined
        ? { state: "connected", transport, sinceMs }
        : { state: "connected", transport, sinceMs, rttMs };
    }
    case 2: {
      const reason = closeReason(closeCode, detail);
      const waiting = { state: "waiting" as const, attempt, retryAtMs: Date.now() + ms, reason };
      return isExhausted ? { ...waiting, isExhausted } : waiting;
    }
    case 3:
      return { state: "offline" };
    case 5:
      return { state: "unauthorized", reason: closeReason(closeCode, detail) };
    default:
      return { state: "closed", reason: closeReason(closeCode, detail) };
  }
}

function refusal(isClosed: boolean, bytesMax: number | undefined): LonghaulError {
  if (isClosed) return new LonghaulError("closed", "the client is closed");
  if (bytesMax === undefined) {
    return new LonghaulError("outbox_full", "the outbox has as many rows or bytes as it may", {
      hint: "wait until some are acknowledged, or raise outbox.rowsMax and outbox.bytesMax",
    });
  }
  return new LonghaulError(
    "payload_too_large",
    `the payload is larger than the ${bytesMax} bytes that the hub takes`,
    {
      hint: "publish a smaller payload, or a link to it",
    },
  );
}

const encoder = new TextEncoder();

function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}
