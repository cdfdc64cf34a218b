// Runs the core for its client, and starts a new instance of the wasm after a crash.
//
// host.ts has the calls of the core, and incoming.ts the frames of the hub.

import type { Diagnosis, Metrics, Options, Receipt } from "./api.js";
import { memoryRows } from "./boundary.js";
import { nowMs } from "./browser.js";
import { databaseName, seed, toCoreOptions, wantedTransports } from "./core-options.js";
import { Crashes } from "./crashes.js";
import { type PollReason, triedOf } from "./diagnosis.js";
import type { EngineEvents } from "./engine-events.js";
import { LonghaulError } from "./errors.js";
import type { Receiver } from "./frame.js";
import { Host } from "./host.js";
import { type EndInstance, instantiate } from "./instance.js";
import { emptyMetrics } from "./metrics.js";
import { Outgoing } from "./outgoing.js";
import { type Call, type NewCall, type PublicationObserver, Publications } from "./publications.js";
import { Scheduler } from "./scheduler.js";
import { Slot } from "./slot.js";
import { Storage } from "./storage.js";
import type { Stream } from "./stream.js";
import { subjectOf, TokenSharing } from "./token.js";
import type { Core } from "./wasm/longhaul.js";
import { bindings } from "./wasm/longhaul_bindings.js";

/** Where a subscription begins (rule C4): "live", "start", a seq or a cursor. */
export type From = string | number;

export class Engine {
  readonly #module: WebAssembly.Module;
  readonly #bases: readonly string[];
  readonly #options: Options;
  readonly #events: EngineEvents;
  /** Ends the instance of the wasm. */
  #endInstance: EndInstance = () => {};
  readonly #crashes = new Crashes();
  readonly #scheduler = new Scheduler(
    (core, cause) => this.#crashed(core, cause),
    () => this.#finished(),
  );
  readonly #host: Host;
  readonly storage: Storage;
  readonly #publications = new Publications(
    (row) => this.storage.id(row),
    () => this.storage.deferred,
    () => {
      this.#isChanged = true;
    },
  );
  readonly #outgoing = new Outgoing((connection, frame) =>
    this.#scheduler.run((core) => core.post(connection, frame)),
  );
  readonly #tokenSharing = new TokenSharing();
  readonly #slot: Slot;
  readonly #base: string;
  /** The outbox's size in the last event, and whether its rows have changed since then. */
  #size = 0;
  #isChanged = false;
  /** Runs between a crash and the next instance. */
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  /** What the app can still read after the client is closed. */
  #last: { metrics: Metrics; tried: Diagnosis["tried"] } | undefined;

  constructor(module: WebAssembly.Module, bases: readonly string[], options: Options, events: EngineEvents) {
    this.#module = module;
    this.#bases = bases;
    this.#options = options;
    this.#events = events;
    this.#base = bases[0] ?? "";
    this.#slot = new Slot(this.#base, (isGranted) =>
      this.#scheduler.run((core) => core.slotGranted(isGranted)),
    );
    const { outbox = {}, subject, token } = options;
    this.storage = new Storage(outbox ? (outbox.name ?? databaseName) : undefined, this.#base, {
      publications: this.#publications,
      scheduler: this.#scheduler,
      publish: (topic, text, kind) => this.publish({ topic, text, kind, options: {}, observer: undefined }),
      token: (refused) => this.#tokenSharing.share(refused),
      hasToken: token !== undefined,
      tokenUrl: outbox ? outbox.tokenUrl : undefined,
      isPausing: outbox && outbox.deadLetterPolicy === "pause",
      expedite: () => this.#expedite(),
      isStuck: () => this.#host.state !== "connecting" && this.#host.state !== "connected",
      stuck: () => this.#stuck(),
      changed: () => {
        this.#isChanged = true;
      },
      deadLetter: (deadLetter) => this.#scheduler.defer(() => this.#events.deadLetter(deadLetter)),
    });
    this.#host = new Host(this.#scheduler, {
      base: this.#base,
      token,
      events,
      outgoing: this.#outgoing,
      publications: this.#publications,
      storage: this.storage,
      slot: this.#slot,
      tokenSharing: this.#tokenSharing,
    });
    // Otherwise the token function's first token names the subject.
    if (subject !== undefined || typeof token !== "function") {
      this.storage.enter(subject ?? subjectOf(token) ?? "");
    }
  }

  /** Makes a core in an instance of its own. Does not start it. */
  async make(): Promise<void> {
    const made = bindings();
    let core: Core | undefined;
    const end = await instantiate(this.#module, made, (cause) => this.#crashed(core, cause));
    if (this.#scheduler.isClosed) return;
    this.#endInstance = end;
    try {
      const options = new made.CoreOptions(seed());
      for (const base of this.#bases) options.address(base);
      toCoreOptions(options, this.#options, this.#base);
      const { memoryProducer, durableProducer } = this.storage.identity;
      options.inherit(memoryProducer, this.#publications.lastVolatile % memoryRows, durableProducer);
      core = new made.Core(options, this.#host);
      this.storage.learn(core);
    } catch (cause) {
      // The instance may already listen to events of the page.
      end();
      throw cause;
    }
    this.#scheduler.core = core;
  }

  start(): void {
    this.#scheduler.run((core) => core.start());
  }

  subscribe(stream: Stream, from: From): void {
    this.#host.streams.set(stream.no, stream);
    stream.begin = String(from);
    this.#scheduler.run((core) => core.subscribe(stream.no, stream.topic, stream.position, stream.isPassive));
  }

  /** Updates whether a stream is passive, after its listeners have changed. */
  updatePassive(stream: Stream): void {
    if (this.#host.streams.has(stream.no))
      this.#scheduler.run((core) => core.setPassive(stream.no, stream.isPassive));
  }

  /** Why the client uses short polls, if it does. */
  get pollReason(): PollReason | undefined {
    return this.#scheduler.ask((core) => core.isIdle())
      ? "passive"
      : this.#slot.isDenied
        ? "crowded"
        : undefined;
  }

  /** Waits for the producer: with it the hub says which own changes a snapshot contains. */
  async follow(document: Receiver): Promise<void> {
    const { no, topic } = document;
    this.#host.streams.set(no, document);
    await this.storage.producer();
    if (this.#host.streams.has(no)) this.#scheduler.run((core) => core.follow(no, topic));
  }

  /** Reports the waiting changes of a document to it. */
  adopt(topic: string, observer: (kind: number, text: string) => PublicationObserver): void {
    this.#publications.adopt(topic, observer);
  }

  resync(document: Receiver): void {
    if (this.#host.streams.has(document.no)) this.#scheduler.run((core) => core.resync(document.no));
  }

  unsubscribe(stream: Receiver): void {
    if (this.#host.streams.delete(stream.no)) this.#scheduler.run((core) => core.unsubscribe(stream.no));
  }

  publish(newCall: NewCall): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const call = { ...newCall, calledAtMs: Date.now(), resolve, reject };
      const request = this.#publications.begin(call);
      // If there is no core, the next one gets all calls in order.
      this.#scheduler.run((core) => offer(core, request, call));
    });
  }

  metrics(): Metrics {
    return {
      ...(this.#last?.metrics ?? emptyMetrics()),
      ...this.#scheduler.ask((core) => core.metrics()),
      crashes: this.#crashes.count,
      outboxRows: this.storage.size,
      bytesReceived: this.#host.charsReceived,
      bytesSent: this.#outgoing.charsSent,
    };
  }

  tried(): Diagnosis["tried"] {
    return this.#last?.tried ?? triedOf(this.#scheduler.ask((core) => core.tried()) ?? []);
  }

  reconnect(): void {
    this.#scheduler.run((core) => core.reconnect());
  }

  /**
   * Ends the engine and drops every reference to the instance of the wasm. Its memory is free as
   * soon as storage has finished its current work, even if the page keeps the client.
   */
  close(): void {
    if (this.#scheduler.isClosed) return;
    this.#scheduler.isClosed = true;
    clearTimeout(this.#restartTimer);
    this.#scheduler.run((core) => core.close());
    this.#slot.release();
    this.#host.close();
    for (const [row] of this.#publications.kept) {
      this.#host.dead(row, 0, "closed", "the client was closed before the hub answered");
    }
    this.#publications.close();
    this.#last = { metrics: this.metrics(), tried: this.tried() };
    this.storage.close();
    this.#scheduler.settle();
    this.#scheduler.core = undefined;
    this.#endInstance = () => {};
  }

  /** The core has finished a turn. */
  #finished(): void {
    this.storage.settle();
    const { size } = this.storage;
    if ((size === this.#size && !this.#isChanged) || this.#scheduler.core === undefined) return;
    this.#size = size;
    this.#isChanged = false;
    this.#scheduler.defer(() => this.#events.outboxSize(size));
  }

  #expedite(): void {
    if (this.#host.state === "waiting" || this.#host.state === "offline") this.reconnect();
    else this.#scheduler.settle();
  }

  #stuck(): LonghaulError {
    return new LonghaulError("not_flushed", `rows wait, and the client is ${this.#host.state}`, {
      hint: "they stay in the outbox, and go out with the next connection",
    });
  }

  /**
   * Any exception ends the instance, because its state may be half changed. Effects from before the
   * exception count.
   */
  #crashed(core: Core | undefined, cause: unknown): void {
    if (core !== this.#scheduler.core) return;
    this.#scheduler.core = undefined;
    this.#endInstance();
    if (this.#scheduler.isClosed) return;
    // A call that asked this core for the rows may never get them.
    this.#isChanged = true;
    this.#outgoing.drop();
    this.#slot.release();
    this.storage.resignLeadership();
    this.#host.drop();
    const delayMs = this.reportCrash(cause);
    if (delayMs === undefined) return;
    const [transport = "websocket"] = wantedTransports(this.#options);
    this.#scheduler.defer(() => this.#events.status({ state: "connecting", attempt: 1, transport }));
    if (delayMs > 0) this.#restartTimer = setTimeout(() => this.#restart(), delayMs);
    else void this.#restart();
    this.#scheduler.settle();
  }

  /** Reports a crash. Returns the delay before the restart, ms; undefined if the client stops. */
  reportCrash(cause: unknown): number | undefined {
    const delayMs = this.#crashes.delayMs(nowMs());
    const error = new LonghaulError("client_crashed", `the client crashed: ${String(cause)}`, {
      hint: "this is a bug in longhaul: please report it with its cause",
      cause,
    });
    this.#scheduler.defer(() => this.#events.error(error));
    if (delayMs === undefined) {
      // So that waiting flushes reject.
      this.#host.state = "closed";
      this.#scheduler.defer(() => this.#events.stopped(error));
    }
    this.#scheduler.settle();
    return delayMs;
  }

  /** Continues with a new instance: streams at their positions, publications with their numbers. */
  async #restart(): Promise<void> {
    if (this.#scheduler.isClosed) return;
    try {
      await this.make();
    } catch (cause) {
      this.#crashed(undefined, cause);
      return;
    }
    this.#scheduler.run((core) => {
      this.#publications.forgetOthers();
      for (const [row, { topic, kind, text, key, attempts, expiresAtMs }] of this.#publications.awaited) {
        const leftMs = expiresAtMs === undefined ? undefined : Math.max(0, expiresAtMs - Date.now());
        core.restore(row, attempts, topic, kind, utf8Bytes(text), leftMs, key);
      }
      for (const stream of this.#host.streams.values()) {
        if (stream.position === undefined) this.#scheduler.defer(() => void this.follow(stream));
        else core.subscribe(stream.no, stream.topic, stream.position, stream.isPassive);
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

/** Made with the first publication: nothing may run when the package is imported. */
let encoder: TextEncoder | undefined;
const scratch = new Uint8Array(3_072);

function utf8Bytes(text: string): number {
  encoder ??= new TextEncoder();
  // What surely fits is encoded without an array of its own.
  const fits = text.length * 3 <= scratch.length;
  return fits ? encoder.encodeInto(text, scratch).written : encoder.encode(text).length;
}
