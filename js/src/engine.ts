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
import { Crashes } from "./crashes.js";
import { type Ease, transportNames, triedOf } from "./diagnosis.js";
import { closeReason, LonghaulError } from "./errors.js";
import {
  isChange,
  isMessages,
  isOfDocument,
  type Messages,
  type Receiver,
  readChanges,
  readCheckpoint,
  readMessages,
  readSnapshot,
} from "./frame.js";
import { type End, instantiate } from "./instance.js";
import { recall, remember } from "./memory.js";
import { emptyMetrics } from "./metrics.js";
import { jitterNumber, transportNumbers } from "./options.js";
import { Outgoing } from "./outgoing.js";
import { Place } from "./place.js";
import { type Call, type Follower, Publications } from "./publications.js";
import type { Partition, StoredRow } from "./rows.js";
import { Storage } from "./storage.js";
import type { Stream } from "./stream.js";
import { askToken, Loan, subjectOf } from "./token.js";
import type { Core, CoreOptions } from "./wasm/longhaul.js";
import { bindings } from "./wasm/longhaul_bindings.js";

/** What an engine tells the client that owns it. */
export interface Owner {
  status(status: Status): void;
  deadLetter(letter: DeadLetter): void;
  outboxLost(rows: number): void;
  /** A change of a document was found in storage. */
  restored(topic: string): void;
  error(error: LonghaulError): void;
  /** There have been too many crashes: the end. */
  gaveUp(error: LonghaulError): void;
}

/** Where a subscription begins, as rule C4 has it: a text may be a cursor too. */
export type From = string | number;

/** The outbox's database, where the user names none. */
export const databaseName = "longhaul";

/** The core's answer to a messages record, where it is no number of messages to skip. */
const toldHost = -2;

export class Engine {
  readonly #module: WebAssembly.Module;
  readonly #bases: readonly string[];
  readonly #options: Options;
  readonly #owner: Owner;
  /** Undefined between a crash and the next one. */
  #core: Core | undefined;
  /** Ends its instance. */
  #end: End = () => {};
  readonly #crashes = new Crashes();
  readonly #streams = new Map<number, Receiver>();
  readonly storage: Storage;
  readonly #publications = new Publications(
    (row) => this.storage.id(row),
    () => this.storage.deferred,
  );
  readonly #outgoing = new Outgoing((connection, frame) =>
    this.#turn((core) => core.post(connection, frame)),
  );
  readonly #loan = new Loan();
  readonly #place: Place;
  readonly #base: string;
  #isClosed = false;
  #shown: Status["state"] = "connecting";
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

  constructor(module: WebAssembly.Module, bases: readonly string[], options: Options, owner: Owner) {
    this.#module = module;
    this.#bases = bases;
    this.#options = options;
    this.#owner = owner;
    this.#base = bases[0] ?? "";
    this.#place = new Place(this.#base, (isGranted) => this.#turn((core) => core.placed(isGranted)));
    const { outbox = {}, subject, token } = options;
    this.storage = new Storage(outbox ? (outbox.name ?? databaseName) : undefined, this.#base, {
      publications: this.#publications,
      turn: (act) => this.#turn(act),
      look: (ask) => this.#look(ask),
      publish: (topic, text, kind) => this.publish(topic, text, {}, kind),
      token: (refused) => this.#loan.lend(refused),
      hasToken: token !== undefined,
      tokenUrl: outbox ? outbox.tokenUrl : undefined,
      isPausing: outbox && outbox.poison === "pause",
      hurry: () => this.#hurry(),
      isStuck: () => this.#shown !== "connecting" && this.#shown !== "connected",
      stuck: () => this.#stuck(),
    });
    // A token that is still to be asked for tells whose the rows are.
    if (subject !== undefined || typeof token !== "function") {
      this.storage.enter(subject ?? subjectOf(token) ?? "");
    }
  }

  /** Makes a core of its own instance, which has not started. */
  async make(): Promise<void> {
    const made = bindings();
    let core: Core | undefined;
    const end = await instantiate(this.#module, made, (cause) => this.#crashed(core, cause));
    if (this.#isClosed) return;
    this.#end = end;
    const options = new made.CoreOptions(seed());
    for (const base of this.#bases) options.address(base);
    instruct(options, this.#options, this.#base);
    const { spare } = this.storage;
    if (spare !== "") {
      options.inherit(spare, this.#publications.lastVolatile % 2 ** 52, this.storage.stored);
    }
    core = new made.Core(options, this);
    this.#core = core;
  }

  start(): void {
    this.#turn((core) => core.start());
  }

  subscribe(stream: Stream, from: From): void {
    this.#streams.set(stream.no, stream);
    stream.begin = String(from);
    this.#turn((core) => core.subscribe(stream.no, stream.topic, stream.place, stream.isPassive));
  }

  /** Whether somebody waits for a stream's messages may have changed. */
  reconsider(stream: Stream): void {
    if (this.#streams.has(stream.no)) this.#turn((core) => core.setPassive(stream.no, stream.isPassive));
  }

  /** Why polls are short, if they are: nothing is urgent, or other tabs have the browser's connections. */
  get ease(): Ease | undefined {
    return this.#look((core) => core.isQuiet()) ? "passive" : this.#place.isDenied ? "crowded" : undefined;
  }

  /** Begins when the outbox is known: the hub says what of it a snapshot has. */
  async follow(document: Receiver): Promise<void> {
    const { no, topic } = document;
    this.#streams.set(no, document);
    await this.storage.producer();
    if (this.#streams.has(no)) this.#turn((core) => core.follow(no, topic));
  }

  /** Lets a document know of its own changes that wait. */
  adopt(topic: string, follower: (kind: number, text: string) => Follower): void {
    this.#publications.adopt(topic, follower);
  }

  resync(document: Receiver): void {
    if (this.#streams.has(document.no)) this.#turn((core) => core.resync(document.no));
  }

  unsubscribe(stream: Receiver): void {
    if (this.#streams.delete(stream.no)) this.#turn((core) => core.unsubscribe(stream.no));
  }

  publish(
    topic: string,
    text: string,
    options: PublishOptions,
    kind = 0,
    follower?: Follower,
  ): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const call = { topic, text, options, kind, resolve, reject, follower };
      const request = this.#publications.begin(call);
      // Where there is no core, the next one is given all calls in their order.
      this.#turn((core) => offer(core, request, call));
    });
  }

  metrics(): Metrics {
    return {
      ...emptyMetrics(),
      ...this.#look((core) => core.metrics()),
      crashes: this.#crashes.count,
      outboxRows: this.storage.size,
      bytesReceived: this.#charsReceived,
      bytesSent: this.#outgoing.charsSent,
    };
  }

  tried(): Diagnosis["tried"] {
    return triedOf(this.#look((core) => core.tried()) ?? []);
  }

  reconnect(): void {
    this.#turn((core) => core.reconnect());
  }

  close(): void {
    this.#isClosed = true;
    this.#turn((core) => core.close());
    this.#place.leave();
    this.#streams.clear();
    for (const [row] of this.#publications.kept) {
      this.dead(row, 0, "closed", "the client was closed before the hub had answered");
    }
    this.#publications.close();
    this.storage.close();
    this.settle();
  }

  #hurry(): void {
    if (this.#shown === "waiting" || this.#shown === "offline") this.reconnect();
    else this.settle();
  }

  #stuck(): LonghaulError {
    return new LonghaulError("not_flushed", `rows wait, and the client is ${this.#shown}`, {
      hint: "they stay in the outbox, and go out with the next connection",
    });
  }

  /** One turn of the core, and then the listeners. While there is none, the next one learns what matters from what is kept here. */
  #turn(act: (core: Core) => void): void {
    this.#look(act);
    this.settle();
  }

  /** Asks the core something, if it is there to answer. */
  #look<T>(ask: (core: Core) => T): T | undefined {
    const core = this.#core;
    try {
      return core && ask(core);
    } catch (cause) {
      this.#crashed(core, cause);
      return undefined;
    }
  }

  /** Whatever an instance throws is its end: it may be half changed. What it had told before counts. */
  #crashed(core: Core | undefined, cause: unknown): void {
    if (core !== this.#core) return;
    this.#core = undefined;
    this.#end();
    if (this.#isClosed) return;
    this.#outgoing.drop();
    this.#place.leave();
    this.storage.seekSender(false);
    this.#held.clear();
    const restMs = this.crashed(cause);
    if (restMs === undefined) return;
    const [transport = "websocket"] = wantedTransports(this.#options);
    this.#later.push(() => this.#owner.status({ state: "connecting", attempt: 1, transport }));
    if (restMs > 0) setTimeout(() => this.#goOn(), restMs);
    else void this.#goOn();
    this.settle();
  }

  /** Tells of a crash. How long to wait before going on, ms; undefined: the client has given up. */
  crashed(cause: unknown): number | undefined {
    const restMs = this.#crashes.next(performance.now());
    const error = new LonghaulError("client_crashed", `the client crashed: ${String(cause)}`, {
      hint: "this is a bug in longhaul: please report it with the cause",
      cause,
    });
    this.#later.push(() => this.#owner.error(error));
    if (restMs === undefined) {
      // Whoever waits for a flush waits in vain.
      this.#shown = "closed";
      this.#later.push(() => this.#owner.gaveUp(error));
    }
    this.settle();
    return restMs;
  }

  /** Goes on with another instance: streams where listeners were, publications as they were numbered. */
  async #goOn(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.make();
    } catch (cause) {
      this.#crashed(undefined, cause);
      return;
    }
    this.#turn((core) => {
      for (const [row, { topic, kind, text, key, attempts, expiresAtMs }] of this.#publications.awaited) {
        const leftMs = expiresAtMs === undefined ? undefined : Math.max(0, expiresAtMs - Date.now());
        core.restore(row, attempts, topic, kind, utf8Bytes(text), leftMs, key);
      }
      for (const stream of this.#streams.values()) {
        if (stream.place === undefined) this.#later.push(() => void this.follow(stream));
        else core.subscribe(stream.no, stream.topic, stream.place, stream.isPassive);
      }
      core.start();
      for (const [request, call] of this.#publications.calls) offer(core, request, call);
    });
    this.storage.catchUp();
  }

  // What the core calls: src/web/host.rs.

  receiver(connection: number): (event: MessageEvent) => void {
    const core = this.#core;
    return ({ data }) => {
      // A socket of one that has crashed.
      if (core !== this.#core) return;
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
    const asking = this.#core;
    askToken(this.#options.token, reason).then(
      ({ text, livesMs }) => {
        if (asking !== this.#core || this.#isClosed) return;
        try {
          this.storage.shown(subjectOf(text));
        } catch (error) {
          this.#noToken(error as LonghaulError);
          return;
        }
        this.#loan.offer(text, livesMs);
        this.#turn((core) => core.token(text, livesMs));
      },
      (error: LonghaulError) => {
        if (asking === this.#core && !this.#isClosed) this.#noToken(error);
      },
    );
  }

  #noToken(error: LonghaulError): void {
    this.#later.push(() => this.#owner.error(error));
    this.#turn((core) => core.noToken(error.message));
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
    this.#shown = status.state;
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

  queued(request: number, row: number, isDurable: boolean): void {
    this.#publications.queued(request, row, isDurable);
  }

  publishRefused(request: number, why: number, bytesMax: number): void {
    this.#publications.refused(request, refusal(why, bytesMax));
  }

  row(request: number, bytes: number, createdAtMs: number, untilMs: number, isHubTime: boolean): StoredRow {
    const { partitionName } = this.storage;
    return this.#publications.row(request, partitionName, bytes, createdAtMs, untilMs, isHubTime);
  }

  tagOf(row: number): string | undefined {
    return this.#publications.tagOf(row);
  }

  restored(row: number, stored: StoredRow): void {
    this.#publications.restored(row, stored);
    const [, topic, kind] = stored;
    if (kind !== 0) this.#later.push(() => this.#owner.restored(topic));
  }

  forget(row: number): void {
    this.#publications.forget(row);
  }

  partitionName(): Promise<string> {
    return this.storage.named();
  }

  partition(before: Partition | undefined): Partition {
    return this.storage.partition(before);
  }

  seekSender(isWanted: boolean): void {
    this.storage.seekSender(isWanted);
  }

  tellAdded(producer: string, last: number, rows: number, bytes: number): void {
    this.storage.tell(["added", producer, last, rows, bytes]);
  }

  tellAcked(
    producer: string,
    row: number,
    attempts: number,
    bytes: number,
    epoch: string,
    seq: number,
    duplicate: boolean,
  ): void {
    this.storage.tell(["acked", producer, epoch, [row, attempts, bytes, seq, Number(duplicate)]]);
  }

  tellDead(
    producer: string,
    row: number,
    attempts: number,
    bytes: number,
    code: string,
    message: string,
  ): void {
    this.storage.tell(["dead", producer, row, attempts, bytes, code, message]);
  }

  tellNoted(producer: string, row: number): void {
    this.storage.tell(["noted", producer, row]);
  }

  tellGivenUp(producer: string, row: number): void {
    this.storage.tell(["givenUp", producer, row]);
  }

  outboxLost(rows: number): void {
    this.#later.push(() => this.#owner.outboxLost(rows));
  }

  outdated(): void {
    if (this.#isClosed) return;
    const error = new LonghaulError(
      "reload_required",
      "a newer version of the app has the outbox's storage",
      {
        hint: "reload this page; until then it keeps publications in memory",
      },
    );
    this.#later.push(() => this.#owner.error(error));
    this.settle();
  }

  acked(row: number, epoch: string, seq: number, duplicate: boolean): void {
    this.#publications.acked(row, { epoch, seq, duplicate });
  }

  dead(row: number, attempts: number, code: string, message: string): void {
    const ended = this.#publications.dead(row, attempts, { code, message });
    if (ended === undefined) return;
    this.storage.keep(ended);
    this.#later.push(() => this.#owner.deadLetter(ended.letter));
  }

  settle(): void {
    // A listener that calls the client is served here, after what was noted before.
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.storage.settle();
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
    if (core === undefined) return;
    try {
      this.#frame(core, connection, text);
    } catch (cause) {
      this.#crashed(core, cause);
    }
  }

  #frame(core: Core, connection: number, text: string): void {
    const read = this.#read;
    // A listener may have woken a crash: then what is left comes again.
    for (let at = 0; at < text.length && core === this.#core; ) {
      const newline = text.indexOf("\n", at);
      let end = newline < 0 ? text.length : newline;
      if (isMessages(text, at)) {
        if (!readMessages(text, at, end, read)) end = 0;
      } else if (isChange(text, at)) {
        end = readChanges(text, at, read);
      } else {
        if (end > at) this.#record(core, connection, text.slice(at, end));
        at = end + 1;
        continue;
      }
      if (end === 0) {
        this.#garbage(connection, false);
        return;
      }
      const run = this.#nextRun();
      const { no, first, count, chain, chars } = read;
      const skip = core.messages(connection, no, run, first, count, chain, chars);
      if (skip >= 0) this.#streams.get(no)?.deliver(read, skip);
      else if (skip === toldHost) this.settle();
      at = end + 1;
    }
  }

  #record(core: Core, connection: number, record: string): void {
    if (isOfDocument(record)) this.#ofDocument(core, connection, record);
    else core.record(connection, record);
    this.settle();
  }

  /** A document's snapshot or checkpoint. */
  #ofDocument(core: Core, connection: number, record: string): void {
    const read = this.#read;
    if (record.startsWith("checkpoint")) {
      const hash = readCheckpoint(record, read);
      this.#streams.get(read.no)?.checkpoint?.(read.first, hash);
      return;
    }
    if (!readSnapshot(record, read)) {
      core.garbage(connection, false);
      return;
    }
    const { no, first, chain } = read;
    const skip = core.snapshot(connection, no, this.#nextRun(), first, chain);
    if (skip === 0) this.#streams.get(no)?.deliver(read, 0);
  }

  #garbage(connection: number, isBinary: boolean): void {
    this.#turn((core) => core.garbage(connection, isBinary));
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

/** Of the generator of jitter and ids. */
function seed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 2 ** 21) * 2 ** 32 + low;
}

/** Tells a core what it is to be told at its start. */
function instruct(options: CoreOptions, given: Options, base: string): void {
  const { backoff, heartbeat, outbox, token } = given;
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
  if (outbox !== false) {
    const { name = databaseName, rowsMax = 50_000, bytesMax = 16 * 1024 * 1024, poison } = outbox ?? {};
    options.outbox(rowsMax, bytesMax);
    options.durable(name);
    if (poison === "pause") options.pauses();
  }
}

function offer(core: Core, request: number, { topic, kind, text, options, isSaving = false }: Call): void {
  core.publish(request, topic, kind, utf8Bytes(text), options.ttlMs, options.key, isSaving);
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

/** The numbers are of src/web/host.rs. */
function refusal(why: number, bytesMax: number): LonghaulError {
  if (why === 3) return new LonghaulError("closed", "the client is closed");
  if (why === 4) {
    return new LonghaulError(
      "outcome_unknown",
      "the client crashed while it saved this, and the outbox was wiped or removed before it was back",
      { hint: "it may or may not have been sent: look at the topic before publishing it again" },
    );
  }
  if (why === 0) {
    return new LonghaulError("outbox_full", "the outbox has as many rows or bytes as it may", {
      hint: "wait until some are acknowledged, or raise outbox.rowsMax and outbox.bytesMax",
    });
  }
  if (why === 1) {
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

const encoder = new TextEncoder();
const scratch = new Uint8Array(3_072);

function utf8Bytes(text: string): number {
  // What surely fits is encoded without an array of its own.
  const fits = text.length * 3 <= scratch.length;
  return fits ? encoder.encodeInto(text, scratch).written : encoder.encode(text).length;
}
