// Runs the core: what the client asks of it, and another instance of the wasm when one has crashed.
//
// What comes from the core is host.ts, what comes from the hub incoming.ts.

import type { DeadLetter, Diagnosis, Metrics, Options, PublishOptions, Receipt, Status } from "./api.js";
import { nowMs } from "./browser.js";
import { Crashes } from "./crashes.js";
import { type Ease, triedOf } from "./diagnosis.js";
import { LonghaulError } from "./errors.js";
import type { Receiver } from "./frame.js";
import { Host } from "./host.js";
import { type End, instantiate } from "./instance.js";
import { databaseName, instruct, seed, wantedTransports } from "./instruct.js";
import { emptyMetrics } from "./metrics.js";
import { Outgoing } from "./outgoing.js";
import { Place } from "./place.js";
import { type Call, type Follower, Publications } from "./publications.js";
import { Storage } from "./storage.js";
import type { Stream } from "./stream.js";
import { Loan, subjectOf } from "./token.js";
import { Turns } from "./turns.js";
import type { Core } from "./wasm/longhaul.js";
import { bindings } from "./wasm/longhaul_bindings.js";

/** What an engine tells the client that owns it. */
export interface Owner {
  status(status: Status): void;
  deadLetter(letter: DeadLetter): void;
  outboxLost(rows: number): void;
  outboxSize(size: number): void;
  /** A change of a document was found in storage. */
  restored(topic: string): void;
  error(error: LonghaulError): void;
  /** There have been too many crashes: the end. */
  gaveUp(error: LonghaulError): void;
}

/** Where a subscription begins, as rule C4 has it: a text may be a cursor too. */
export type From = string | number;

export class Engine {
  readonly #module: WebAssembly.Module;
  readonly #bases: readonly string[];
  readonly #options: Options;
  readonly #owner: Owner;
  /** Ends its instance. */
  #end: End = () => {};
  readonly #crashes = new Crashes();
  readonly #turns = new Turns(
    (core, cause) => this.#crashed(core, cause),
    () => this.#finished(),
  );
  readonly #host: Host;
  readonly storage: Storage;
  readonly #publications = new Publications(
    (row) => this.storage.id(row),
    () => this.storage.deferred,
  );
  readonly #outgoing = new Outgoing((connection, frame) =>
    this.#turns.turn((core) => core.post(connection, frame)),
  );
  readonly #loan = new Loan();
  readonly #place: Place;
  readonly #base: string;
  /** The outbox's, as its listeners know it; and whether something else of it is not what they know. */
  #size = 0;
  #isChanged = false;

  /** Until the next instance, after a crash. */
  #resting: ReturnType<typeof setTimeout> | undefined;
  /** What is still to be known of a client that is closed. */
  #last: { metrics: Metrics; tried: Diagnosis["tried"] } | undefined;

  constructor(module: WebAssembly.Module, bases: readonly string[], options: Options, owner: Owner) {
    this.#module = module;
    this.#bases = bases;
    this.#options = options;
    this.#owner = owner;
    this.#base = bases[0] ?? "";
    this.#place = new Place(this.#base, (isGranted) => this.#turns.turn((core) => core.placed(isGranted)));
    const { outbox = {}, subject, token } = options;
    this.storage = new Storage(outbox ? (outbox.name ?? databaseName) : undefined, this.#base, {
      publications: this.#publications,
      turns: this.#turns,
      publish: (topic, text, kind) => this.publish(topic, text, {}, kind),
      token: (refused) => this.#loan.lend(refused),
      hasToken: token !== undefined,
      tokenUrl: outbox ? outbox.tokenUrl : undefined,
      isPausing: outbox && outbox.poison === "pause",
      hurry: () => this.#hurry(),
      isStuck: () => this.#host.state !== "connecting" && this.#host.state !== "connected",
      stuck: () => this.#stuck(),
      changed: () => {
        this.#isChanged = true;
      },
      deadLetter: (letter) => this.#turns.later(() => this.#owner.deadLetter(letter)),
    });
    this.#host = new Host(this.#turns, {
      base: this.#base,
      token,
      owner,
      outgoing: this.#outgoing,
      publications: this.#publications,
      storage: this.storage,
      place: this.#place,
      loan: this.#loan,
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
    if (this.#turns.isClosed) return;
    this.#end = end;
    try {
      const options = new made.CoreOptions(seed());
      for (const base of this.#bases) options.address(base);
      instruct(options, this.#options, this.#base);
      const { spare, stored } = this.storage;
      options.inherit(spare, this.#publications.lastVolatile % 2 ** 52, stored);
      core = new made.Core(options, this.#host);
      this.storage.learn(core);
    } catch (cause) {
      // It may listen to the page already.
      end();
      throw cause;
    }
    this.#turns.core = core;
  }

  start(): void {
    this.#turns.turn((core) => core.start());
  }

  subscribe(stream: Stream, from: From): void {
    this.#host.streams.set(stream.no, stream);
    stream.begin = String(from);
    this.#turns.turn((core) => core.subscribe(stream.no, stream.topic, stream.place, stream.isPassive));
  }

  /** Whether somebody waits for a stream's messages may have changed. */
  reconsider(stream: Stream): void {
    if (this.#host.streams.has(stream.no))
      this.#turns.turn((core) => core.setPassive(stream.no, stream.isPassive));
  }

  /** Why polls are short, if they are: nothing is urgent, or other tabs have the browser's connections. */
  get ease(): Ease | undefined {
    return this.#turns.look((core) => core.isQuiet())
      ? "passive"
      : this.#place.isDenied
        ? "crowded"
        : undefined;
  }

  /** Begins when the outbox is known: the hub says what of it a snapshot has. */
  async follow(document: Receiver): Promise<void> {
    const { no, topic } = document;
    this.#host.streams.set(no, document);
    await this.storage.producer();
    if (this.#host.streams.has(no)) this.#turns.turn((core) => core.follow(no, topic));
  }

  /** Lets a document know of its own changes that wait. */
  adopt(topic: string, follower: (kind: number, text: string) => Follower): void {
    this.#publications.adopt(topic, follower);
  }

  resync(document: Receiver): void {
    if (this.#host.streams.has(document.no)) this.#turns.turn((core) => core.resync(document.no));
  }

  unsubscribe(stream: Receiver): void {
    if (this.#host.streams.delete(stream.no)) this.#turns.turn((core) => core.unsubscribe(stream.no));
  }

  publish(
    topic: string,
    text: string,
    options: PublishOptions,
    kind = 0,
    follower?: Follower,
  ): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const calledAtMs = Date.now();
      const call = { topic, text, options, calledAtMs, kind, resolve, reject, follower };
      const request = this.#publications.begin(call);
      // Where there is no core, the next one is given all calls in their order.
      this.#turns.turn((core) => offer(core, request, call));
    });
  }

  metrics(): Metrics {
    return {
      ...(this.#last?.metrics ?? emptyMetrics()),
      ...this.#turns.look((core) => core.metrics()),
      crashes: this.#crashes.count,
      outboxRows: this.storage.size,
      bytesReceived: this.#host.charsReceived,
      bytesSent: this.#outgoing.charsSent,
    };
  }

  tried(): Diagnosis["tried"] {
    return this.#last?.tried ?? triedOf(this.#turns.look((core) => core.tried()) ?? []);
  }

  reconnect(): void {
    this.#turns.turn((core) => core.reconnect());
  }

  /**
   * The end. Nothing here leads to the instance of the wasm afterwards, so its memory is free once storage has done what
   * it is at; a page may keep the client as long as it likes.
   */
  close(): void {
    if (this.#turns.isClosed) return;
    this.#turns.isClosed = true;
    clearTimeout(this.#resting);
    this.#turns.turn((core) => core.close());
    this.#place.leave();
    this.#host.close();
    for (const [row] of this.#publications.kept) {
      this.#host.dead(row, 0, "closed", "the client was closed before the hub had answered");
    }
    this.#publications.close();
    this.#last = { metrics: this.metrics(), tried: this.tried() };
    this.storage.close();
    this.#turns.settle();
    this.#turns.core = undefined;
    this.#end = () => {};
  }

  /** A turn of the core is over. */
  #finished(): void {
    this.storage.settle();
    const { size } = this.storage;
    if ((size === this.#size && !this.#isChanged) || this.#turns.core === undefined) return;
    this.#size = size;
    this.#isChanged = false;
    this.#turns.later(() => this.#owner.outboxSize(size));
  }

  #hurry(): void {
    if (this.#host.state === "waiting" || this.#host.state === "offline") this.reconnect();
    else this.#turns.settle();
  }

  #stuck(): LonghaulError {
    return new LonghaulError("not_flushed", `rows wait, and the client is ${this.#host.state}`, {
      hint: "they stay in the outbox, and go out with the next connection",
    });
  }

  /** Whatever an instance throws is its end: it may be half changed. What it had told before counts. */
  #crashed(core: Core | undefined, cause: unknown): void {
    if (core !== this.#turns.core) return;
    this.#turns.core = undefined;
    this.#end();
    if (this.#turns.isClosed) return;
    // Who asked that core for the rows may never get them.
    this.#isChanged = true;
    this.#outgoing.drop();
    this.#place.leave();
    this.storage.seekSender(false);
    this.#host.drop();
    const restMs = this.crashed(cause);
    if (restMs === undefined) return;
    const [transport = "websocket"] = wantedTransports(this.#options);
    this.#turns.later(() => this.#owner.status({ state: "connecting", attempt: 1, transport }));
    if (restMs > 0) this.#resting = setTimeout(() => this.#goOn(), restMs);
    else void this.#goOn();
    this.#turns.settle();
  }

  /** Tells of a crash. How long to wait before going on, ms; undefined: the client has given up. */
  crashed(cause: unknown): number | undefined {
    const restMs = this.#crashes.next(nowMs());
    const error = new LonghaulError("client_crashed", `the client crashed: ${String(cause)}`, {
      hint: "this is a bug in longhaul: please report it with the cause",
      cause,
    });
    this.#turns.later(() => this.#owner.error(error));
    if (restMs === undefined) {
      // Whoever waits for a flush waits in vain.
      this.#host.state = "closed";
      this.#turns.later(() => this.#owner.gaveUp(error));
    }
    this.#turns.settle();
    return restMs;
  }

  /** Goes on with another instance: streams where listeners were, publications as they were numbered. */
  async #goOn(): Promise<void> {
    if (this.#turns.isClosed) return;
    try {
      await this.make();
    } catch (cause) {
      this.#crashed(undefined, cause);
      return;
    }
    this.#turns.turn((core) => {
      this.#publications.forgetOthers();
      for (const [row, { topic, kind, text, key, attempts, expiresAtMs }] of this.#publications.awaited) {
        const leftMs = expiresAtMs === undefined ? undefined : Math.max(0, expiresAtMs - Date.now());
        core.restore(row, attempts, topic, kind, utf8Bytes(text), leftMs, key);
      }
      for (const stream of this.#host.streams.values()) {
        if (stream.place === undefined) this.#turns.later(() => void this.follow(stream));
        else core.subscribe(stream.no, stream.topic, stream.place, stream.isPassive);
      }
      core.start();
      for (const [request, call] of this.#publications.calls) offer(core, request, call);
    });
    this.storage.catchUp();
  }
}

function offer(core: Core, request: number, call: Call): void {
  const { topic, kind, text, options, calledAtMs, isSaving = false } = call;
  core.publish(request, topic, kind, utf8Bytes(text), options.ttlMs, options.key, calledAtMs, isSaving);
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(3_072);

function utf8Bytes(text: string): number {
  // What surely fits is encoded without an array of its own.
  const fits = text.length * 3 <= scratch.length;
  return fits ? encoder.encodeInto(text, scratch).written : encoder.encode(text).length;
}
