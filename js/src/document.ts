// What a user holds of a document. Its value is kept by documents.ts; here are listeners, promises and the copy for the page.

import type { Ack, Document, Gap, Operation, PublishOptions, Receipt } from "./api.js";
import type { DocumentCore } from "./documents.js";
import { LonghaulError } from "./errors.js";
import { follow } from "./follow.js";
import type { Messages, Receiver } from "./frame.js";
import { checkPublish } from "./options.js";
import type { Follower } from "./publications.js";

/** What a document needs of its client. */
export interface DocumentClient {
  /** Begins to follow; the number is for `resync` and `leave`. */
  follow(document: Receiver): void;
  leave(document: Receiver): void;
  resync(document: Receiver): void;
  publish(
    topic: string,
    text: string,
    options: PublishOptions,
    kind: number,
    follower?: Follower,
  ): Promise<Receipt>;
  /** Loads what documents need, for this client's outbox. */
  load(): Promise<DocumentCore>;
  error(error: LonghaulError): void;
  threw(cause: unknown): void;
}

interface Listener {
  readonly call: (value: unknown) => void;
  readonly at: string | undefined;
  /** Something has changed for it since it was called. */
  isDue: boolean;
}

/** What `DocumentCore` says of a record. */
const changed = 1;
const diverged = 3;

/** What an entry is; 3 is a snapshot. */
const patch = 1;
const merge = 2;

export class DocumentHandle implements Document<unknown>, Receiver {
  readonly name: string;
  readonly isPassive = false;
  no = 0;
  epoch = "";
  readonly #client: DocumentClient;
  #core: DocumentCore | undefined;
  /** What came before the core was there. */
  #early: ((core: DocumentCore) => void)[] | undefined;
  #value: unknown;
  #listeners: readonly Listener[] = [];
  #isNoted = false;

  constructor(name: string, client: DocumentClient) {
    this.name = name;
    this.#client = client;
  }

  get topic(): string {
    return this.name;
  }

  get value(): unknown {
    this.#look();
    return this.#value;
  }

  get confirmed(): unknown {
    if (!this.#core || this.seq < 0) return undefined;
    return this.#core.pending() === 0 ? this.value : JSON.parse(this.#core.confirmed());
  }

  get seq(): number {
    return this.#core?.seq() ?? -1;
  }

  get pending(): number {
    return this.#core?.pending() ?? 0;
  }

  at(pointer: string): unknown {
    checkPointer(pointer);
    const json = this.seq < 0 ? undefined : this.#core?.at(pointer);
    return json === undefined ? undefined : JSON.parse(json);
  }

  subscribe(
    listener: (value: unknown) => void,
    { at, signal }: { at?: string; signal?: AbortSignal } = {},
  ): () => void {
    if (typeof listener !== "function") {
      throw new LonghaulError("option_invalid", "subscribe was called without a listener", {
        hint: "pass a function that takes the value",
      });
    }
    if (at !== undefined) checkPointer(at);
    if (signal?.aborted) return () => {};
    const entry: Listener = { call: listener, at, isDue: false };
    if (this.#listeners.length === 0) this.#begin();
    this.#listeners = [...this.#listeners, entry];
    const stop = (): void => {
      signal?.removeEventListener("abort", stop);
      if (!this.#listeners.includes(entry)) return;
      this.#listeners = this.#listeners.filter((other) => other !== entry);
      if (this.#listeners.length === 0) this.#client.leave(this);
    };
    signal?.addEventListener("abort", stop);
    return stop;
  }

  patch(operations: readonly Operation[], options: PublishOptions = {}): Promise<Receipt> {
    return this.#change(patch, operations, options);
  }

  merge(partial: unknown, options: PublishOptions = {}): Promise<Receipt> {
    return this.#change(merge, partial, options);
  }

  // What the engine calls.

  deliver({ first, chain, at, id, kind, data }: Messages): void {
    const text = data as string;
    this.#do((core) => {
      this.#stepped(
        kind > merge
          ? core.snapshot(this.epoch, first, chain, at, text)
          : core.change(first, chain, id, kind, text),
      );
    });
  }

  checkpoint(seq: number, hash: number): void {
    this.#do((core) => this.#stepped(core.checkpoint(seq, hash)));
  }

  tellGap(_gap: Gap): void {}

  async #change(kind: number, what: unknown, options: PublishOptions): Promise<Receipt> {
    checkPublish(options);
    options.signal?.throwIfAborted();
    if (options.key !== undefined) {
      throw new LonghaulError("option_invalid", "key does not go with documents", {
        hint: "every change of a document counts: leave key out",
      });
    }
    const text = JSON.stringify(what);
    if (text === undefined) {
      throw new LonghaulError("data_not_json", `a change of ${this.name} has no JSON form`);
    }
    if (this.#listeners.length === 0) return this.#client.publish(this.name, text, options, kind);
    const [code, message] = this.#core?.check(kind, text)?.split("\n") ?? [];
    if (code !== undefined) throw new LonghaulError(code, `${this.name}: ${message}`);
    return this.#client.publish(this.name, text, options, kind, {
      queued: (row) => this.#own((core) => core.publish(row, kind, text)),
      acked: (row: number, { epoch, seq }: Ack) => this.#own((core) => core.acked(row, epoch, seq)),
      dead: (row) => this.#own((core) => core.dead(row)),
    });
  }

  #begin(): void {
    this.#client.follow(this);
    if (this.#early !== undefined || this.#core !== undefined) return;
    this.#early = [];
    this.#client.load().then(
      (core) => {
        this.#core = core;
        for (const act of this.#early ?? []) act(core);
        this.#early = undefined;
      },
      (error: LonghaulError) => {
        this.#early = undefined;
        this.#client.error(error);
      },
    );
  }

  #do(act: (core: DocumentCore) => void): void {
    if (this.#core !== undefined) act(this.#core);
    else this.#early?.push(act);
  }

  /** Something of our own has happened. */
  #own(act: (core: DocumentCore) => void): void {
    this.#do((core) => {
      act(core);
      this.#note();
    });
  }

  #stepped(step: number): void {
    if (step === changed) this.#note();
    if (step !== diverged) return;
    this.#client.error(
      new LonghaulError("document_diverged", `${this.name} was not what the hub has; it is asked for anew`),
    );
    this.#client.resync(this);
  }

  /** Listeners are called when all that has come is applied. */
  #note(): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    queueMicrotask(() => {
      this.#isNoted = false;
      if (this.#isAwaited()) this.#look();
      const listeners = this.#listeners;
      for (const listener of listeners) {
        if (!listener.isDue || !this.#listeners.includes(listener)) continue;
        listener.isDue = false;
        try {
          listener.call(this.#value);
        } catch (cause) {
          this.#client.threw(cause);
        }
      }
    });
  }

  /** Whether a listener is to hear of what has come. */
  #isAwaited(): boolean {
    if (this.#value === undefined) return true;
    return this.#listeners.some(({ at, isDue }) => isDue || at === undefined || this.#core?.hasChanged(at));
  }

  /** Brings the copy up to date. */
  #look(): void {
    const core = this.#core;
    if (core === undefined || core.seq() < 0) return;
    const isFirst = this.#value === undefined;
    const places = this.#listeners.filter(({ at }) => at !== undefined && core.hasChanged(at));
    const commands = core.look();
    if (commands !== undefined) this.#value = follow(this.#value, JSON.parse(commands));
    else if (isFirst) this.#value = null;
    else return;
    for (const listener of this.#listeners) {
      listener.isDue ||= isFirst || listener.at === undefined || places.includes(listener);
    }
  }
}

function checkPointer(pointer: string): void {
  if (typeof pointer === "string" && /^(\/([^~]|~[01])*)?$/s.test(pointer)) return;
  throw new LonghaulError("option_invalid", `${String(pointer)} is no JSON Pointer`, {
    hint: 'write "" for the whole, or "/" before each key: "/cards/7"; ~ is ~0 and / is ~1 in a key',
  });
}
