// The client that `connect` returns. It is usable at once, while the wasm is still loading.

import type {
  Client,
  ClientEvents,
  CloseReason,
  Diagnosis,
  Document,
  Message,
  Metrics,
  Options,
  Outbox,
  Receipt,
  Status,
  SubscribeOptions,
  Topic,
} from "./api.js";
import { kindMessage, subscriptionsMax } from "./boundary.js";
import { isOnline, isServer, nowMs } from "./browser.js";
import { wantedTransports } from "./core-options.js";
import { advise, inspect, isSupported, protocolOf, withUnsupported } from "./diagnosis.js";
import { DocumentHandle } from "./document.js";
import type { DocumentCore } from "./documents.js";
import { Engine, type From } from "./engine.js";
import { closed, closeReason, LonghaulError, notOnServer, print } from "./errors.js";
import { Events } from "./events.js";
import { Lingering } from "./lingering.js";
import { documentsFailed, forgetDocuments, type LoadError, loadDocuments, MisplacedFiles } from "./load.js";
import { emptyMetrics } from "./metrics.js";
import { baseUrls, checkOptions, checkTopic, checkTtl } from "./options.js";
import { OutboxHandle } from "./outbox.js";
import type { NewCall } from "./publications.js";
import { Resume } from "./resume.js";
import { Retry } from "./retry.js";
import { type EngineTask, Start } from "./start.js";
import { type Listener, Stream } from "./stream.js";
import { type Iteration, TopicHandle } from "./topic.js";

/** See api.d.ts. */
export function connect(url: string | URL | readonly (string | URL)[], options: Options = {}): Client {
  checkOptions(options);
  return new ClientHandle(baseUrls(url), options);
}

class ClientHandle implements Client {
  #status: Status = { state: "connecting", attempt: 1, transport: "websocket" };
  readonly #bases: readonly string[];
  readonly #options: Options;
  /** Whether the client does nothing: option `runOnServer`. */
  readonly #isInert: boolean;
  readonly #events = new Events((who, cause) => this.#threw(who, cause));
  readonly outbox: Outbox;
  readonly #streams = new Set<Stream>();
  readonly #resume: Resume | undefined;
  /** The running live stream of each topic: later live listeners join it. */
  readonly #live = new Map<string, Stream>();
  /** Streams whose listeners have stopped in this task. */
  readonly #left = new Lingering<Stream>((stream) => this.#settle(stream));
  readonly #topics = new Map<string, TopicHandle<unknown>>();
  readonly #documents = new Map<string, DocumentHandle>();
  readonly #leftDocuments = new Lingering<DocumentHandle>((document) => {
    if (!document.isUnused) return;
    this.#whenReady({ run: (engine) => engine.unsubscribe(document) });
    document.no = 0;
    this.#followed--;
  });
  /** Makes the cores of documents. */
  #documentCores: Promise<(producer: string) => DocumentCore> | undefined;
  /** Whether the documents are about to restart after a crash. */
  #areDocumentsBroken = false;
  #lastNo = 0;
  /** The number of followed documents. */
  #followed = 0;
  /** Present once the wasm is loaded. */
  #engine: Engine | undefined;
  /** Loads the wasm. */
  readonly #start: Start;
  /** Loads the code for documents. */
  readonly #documentRetry: Retry;
  /** Remove the listeners of subscriptions from their signals. */
  readonly #stops = new Set<() => void>();
  /** Why the client is closed. */
  #end: LonghaulError | undefined;

  constructor(bases: string[], options: Options) {
    this.#bases = bases;
    this.#options = options;
    this.#isInert = options.runOnServer !== true && isServer();
    this.outbox = new OutboxHandle({
      storage: () => this.#engine?.storage,
      whenReady: (impatient) =>
        new Promise((resolve, reject) => {
          const run = (engine: Engine): void => resolve(engine.storage);
          this.#whenReady({ run, reject, ...(impatient && { impatient }) });
        }),
      withdraw: (error) => {
        if (this.#engine === undefined) this.#start.withdraw(error);
      },
    });
    // Apps pass these methods around without their object.
    this.on = this.on.bind(this);
    this.reconnect = this.reconnect.bind(this);
    this.close = this.close.bind(this);
    if (options.resume) this.#resume = new Resume(bases[0] ?? "", options.resume);
    const [transport] = wantedTransports(options);
    if (transport !== undefined) this.#status = { state: "connecting", attempt: 1, transport };
    this.#documentRetry = new Retry(options.backoff);
    this.#start = new Start(options, {
      make: (module) => this.#make(module),
      begin: (engine) => {
        this.#engine = engine;
      },
      status: (status) => this.#changed(status),
      report: (error) => this.#report(error),
      failed: (error) => this.#fail(error),
    });
    if (!this.#isInert) this.#start.begin();
  }

  get status(): Status {
    return this.#status;
  }

  on<K extends keyof ClientEvents>(type: K, listener: (event: ClientEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  topic<T = unknown>(name: string): Topic<T> {
    checkTopic(name);
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new TopicHandle<unknown>(name, {
        subscribe: (topic, listener, options, iteration) =>
          this.#subscribe(topic, listener, options, iteration),
        publish: (topic, text, options) =>
          this.#publish({ topic, kind: kindMessage, text, options, observer: undefined }),
        report: (error) => this.#report(error),
      });
      this.#topics.set(name, topic);
    }
    return topic as TopicHandle<T>;
  }

  document<T = unknown>(name: string): Document<T> {
    checkTopic(name);
    let document = this.#documents.get(name);
    if (document === undefined) {
      document = new DocumentHandle(name, {
        follow: (document) => this.#follow(document),
        leave: (document) => this.#leftDocuments.add(document),
        resync: (document) => this.#engine?.resync(document),
        publish: (call) => this.#publish(call),
        load: () => this.#loadDocument(),
        adopt: (observer) => this.#engine?.adopt(name, observer),
        isConnected: () => this.#status.state === "connected",
        save: (saved) => this.#engine?.storage.saveDocument(name, saved),
        saved: async () => this.#engine?.storage.savedDocument(name),
        error: (error) => this.#report(error),
        crashed: (cause) => this.#documentCrashed(cause),
        threw: (cause) => this.#threw(`a listener of ${name}`, cause),
      });
      this.#documents.set(name, document);
      document.adopt();
    }
    return document as Document<unknown> as Document<T>;
  }

  metrics(): Metrics {
    return this.#engine?.metrics() ?? emptyMetrics();
  }

  async diagnose(): Promise<Diagnosis> {
    const wanted = wantedTransports(this.#options);
    const [base = ""] = this.#bases;
    const tried = withUnsupported(this.#engine?.tried() ?? [], wanted);
    const findings = await inspect(base, tried);
    const status = this.#status;
    const protocol = protocolOf(base);
    return {
      transport: status.state === "connected" ? status.transport : undefined,
      tried,
      online: isOnline(),
      ...(protocol === undefined ? {} : { protocol }),
      advice: advise({
        status,
        tried,
        findings,
        base,
        supported: wanted.filter(isSupported),
        pollReason: this.#engine?.pollReason,
      }),
    };
  }

  reconnect(): void {
    this.#documentRetry.expedite();
    if (this.#engine === undefined) this.#start.expedite();
    else this.#engine.reconnect();
  }

  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#stop(closed(), { ...closeReason(1000, ""), message: "the client was closed" });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Makes an engine. Does not start it. */
  async #make(module: WebAssembly.Module): Promise<Engine> {
    const engine = new Engine(module, this.#bases, this.#options, {
      status: (status) => this.#changed(status),
      deadLetter: (deadLetter) => this.#events.emit("deadletter", deadLetter),
      outboxSize: (size) => this.#events.emit("outbox", { size }),
      outboxLost: (rows) => this.#events.emit("outboxlost", { rows }),
      restored: (topic) => this.#documents.get(topic)?.adopt(),
      error: (error) => this.#report(error),
      stopped: (error) => {
        const message = `too many crashes: ${error.message}`;
        this.#stop(new LonghaulError(error.code, message), { code: "client_crashed", message });
      },
    });
    await engine.make();
    return engine;
  }

  #fail(error: LonghaulError): void {
    if (this.#end !== undefined) return;
    this.#stop(error, { code: "wasm_load_failed", message: error.message });
    this.#report(error);
  }

  /** Closes the client, with the error for later calls. */
  #stop(error: LonghaulError, reason: CloseReason): void {
    this.#left.flush();
    this.#leftDocuments.flush();
    this.#end = error;
    this.#resume?.close();
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
    this.#live.clear();
    for (const stop of this.#stops) stop();
    for (const document of this.#documents.values()) document.close();
    this.#documentRetry.close();
    this.#engine?.close();
    for (const document of this.#documents.values()) document.release();
    this.#documentCores = undefined;
    this.#start.close(error);
    this.#show({ state: "closed", reason });
  }

  #whenReady(task: EngineTask): void {
    if (this.#end !== undefined) task.reject?.(this.#end);
    else if (this.#isInert) task.reject?.(notOnServer());
    else if (this.#engine !== undefined) task.run(this.#engine);
    else this.#start.add(task);
  }

  #subscribe(
    topic: string,
    message: (message: Message<unknown>) => void,
    { from = "live", passive = false, onGap, signal }: SubscribeOptions,
    iteration: Iteration | undefined,
  ): () => void {
    if (this.#end !== undefined) {
      if (iteration !== undefined) throw this.#end;
      // An exception would break the component whose effect subscribes.
      this.#report(this.#end);
      return () => {};
    }
    if (signal?.aborted || this.#isInert) return () => {};
    const listener: Listener = { message, gap: onGap, isPassive: passive, ...iteration };
    const running = from === "live" ? this.#live.get(topic) : undefined;
    if (running === undefined && this.#hasAllSubscriptions) {
      const error = tooManySubscriptions();
      if (iteration !== undefined) throw error;
      this.#report(error);
      return () => {};
    }
    const stream = running ?? this.#stream(topic, from);
    stream.add(listener);
    if (running === undefined) {
      const begin = (from === "live" && this.#resume?.begin(stream)) || from;
      this.#whenReady({ run: (engine) => engine.subscribe(stream, begin) });
    } else this.#whenReady({ run: (engine) => engine.updatePassive(stream) });
    const stop = (): void => {
      signal?.removeEventListener("abort", stop);
      this.#stops.delete(stop);
      if (!this.#streams.has(stream)) return;
      stream.remove(listener);
      if (this.#live.get(topic) === stream) this.#left.add(stream);
      else this.#settle(stream);
    };
    signal?.addEventListener("abort", stop);
    this.#stops.add(stop);
    return stop;
  }

  /** Another subscription would make the hub close the connection, which serves all of them. */
  get #hasAllSubscriptions(): boolean {
    return this.#streams.size + this.#followed >= subscriptionsMax;
  }

  #follow(document: DocumentHandle): boolean {
    if (this.#end !== undefined) {
      this.#report(this.#end);
      return false;
    }
    if (this.#isInert) return false;
    // If its last listener stopped in this task, the engine still follows it.
    if (document.no === 0) {
      if (this.#hasAllSubscriptions) {
        this.#report(tooManySubscriptions());
        return false;
      }
      this.#followed++;
      document.no = ++this.#lastNo;
      this.#whenReady({ run: (engine) => engine.follow(document) });
    }
    return true;
  }

  /**
   * Loads the code for documents, which other pages do not need. All documents of a client share
   * one instance.
   */
  async #loadDocument(): Promise<DocumentCore> {
    const producer = new Promise<string>((resolve, reject) => {
      this.#whenReady({ run: (engine) => engine.storage.producer().then(resolve), reject });
    });
    // `close` rejects it. The module may never come, and then nothing else would handle that.
    producer.catch(() => {});
    this.#documentCores ??= this.#makeDocuments();
    try {
      const make = await this.#documentCores;
      return make(await producer);
    } catch (cause) {
      this.#documentCores = undefined;
      throw cause;
    }
  }

  #makeDocuments(): Promise<(producer: string) => DocumentCore> {
    const misplaced = new MisplacedFiles();
    return this.#documentRetry.run(
      async (attempt, signal) => {
        try {
          const [{ makeCores }, module] = await Promise.all([
            importDocuments(attempt),
            loadDocuments(this.#options.documentsWasm, attempt, signal),
          ]);
          return await makeCores(module).catch((cause: Error) => {
            forgetDocuments();
            throw cause;
          });
        } catch (cause) {
          const fault = cause as Error;
          // An import does not report what it got. While the hub is reachable, the network is not
          // the cause.
          const isAnother = this.#status.state === "connected";
          throw documentsFailed({ isAnother, ...fault, message: fault.message, cause });
        }
      },
      ({ cause }) => {
        const error = cause as LoadError;
        if (!error.isFinal && misplaced.isReported(error)) this.#report(error);
        return !error.isFinal;
      },
    );
  }

  /** The instance of the documents has crashed. A turn of the core, if there is one, ends first. */
  #documentCrashed(cause: unknown): void {
    if (this.#areDocumentsBroken) return;
    this.#areDocumentsBroken = true;
    this.#documentCores = undefined;
    queueMicrotask(() => {
      this.#areDocumentsBroken = false;
      const delayMs = this.#engine?.reportCrash(cause);
      if (delayMs === undefined) return;
      for (const document of this.#documents.values()) document.restart(delayMs);
    });
  }

  #stream(topic: string, from: From): Stream {
    const stream = new Stream(++this.#lastNo, topic, (cause) => this.#threw(`a listener of ${topic}`, cause));
    this.#streams.add(stream);
    if (from === "live") this.#live.set(topic, stream);
    return stream;
  }

  /** Continues a stream for its remaining listeners, or ends it. */
  #settle(stream: Stream): void {
    stream.settle();
    if (!this.#streams.has(stream)) return;
    if (!stream.isUnused) {
      this.#whenReady({ run: (engine) => engine.updatePassive(stream) });
      return;
    }
    this.#streams.delete(stream);
    if (this.#live.get(stream.topic) === stream) {
      this.#live.delete(stream.topic);
      this.#resume?.forget(stream.topic);
    }
    this.#whenReady({ run: (engine) => engine.unsubscribe(stream) });
  }

  async #publish(call: NewCall): Promise<Receipt> {
    const { options, text } = call;
    const { outbox } = this.#options;
    const withTtl = outbox && outbox.ttlMs !== undefined ? { ttlMs: outbox.ttlMs, ...options } : options;
    if (outbox !== false) checkTtl(withTtl.ttlMs);
    const askedMs = nowMs();
    return new Promise((resolve, reject) => {
      this.#whenReady({
        run: (engine) => {
          const { ttlMs } = withTtl;
          // The time to live began with the call.
          const left =
            ttlMs === undefined ? withTtl : { ...withTtl, ttlMs: Math.max(1, ttlMs - (nowMs() - askedMs)) };
          engine.publish({ ...call, options: left }).then(resolve, reject);
        },
        reject,
        chars: text.length,
      });
    });
  }

  /** A status of the engine or of the attempts to load it. The client's own end is the last one. */
  #changed(status: Status): void {
    if (this.#end === undefined) this.#show(status);
  }

  #show(status: Status): void {
    if (isSame(this.#status, status)) return;
    this.#status = status;
    this.#events.emit("status", status);
  }

  #threw(who: string, cause: unknown): void {
    this.#report(new LonghaulError("listener_threw", `${who} threw: ${String(cause)}`, { cause }));
  }

  #report(error: LonghaulError): void {
    try {
      (this.#options.onError ?? print)(error);
    } catch (cause) {
      print(error);
      console.error("longhaul: onError threw:", cause);
    }
  }
}

/**
 * Some browsers remember that an import has failed for as long as the page lives; the address in
 * their message, which a bundler may have chosen, gets another one for each attempt.
 */
async function importDocuments(attempt: number): Promise<typeof import("./documents.js")> {
  try {
    return await import("./documents.js");
  } catch (cause) {
    const [address] = /https?:[^\s"')]+/.exec(String(cause)) ?? [];
    if (attempt === 1 || address === undefined) throw cause;
    return import(
      /* @vite-ignore */ /* webpackIgnore: true */
      /* turbopackIgnore: true */ `${address}?${attempt}`
    );
  }
}

function isSame(a: Status, b: Status): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function tooManySubscriptions(): LonghaulError {
  return new LonghaulError("too_many_subscriptions", `the client has ${subscriptionsMax} subscriptions`, {
    hint: "unsubscribe what is no longer shown",
  });
}
