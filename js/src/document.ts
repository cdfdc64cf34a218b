// What a user holds of a document. Its value and the page's copy are made by documents.ts; here are listeners and promises.

import type { Ack, Document, DocumentState, Gap, Operation, PublishOptions, Receipt } from "./api.js";
import { kindMerge, kindPatch, stepChanged, stepDiverged } from "./boundary.js";
import type { DocumentCore } from "./documents.js";
import { LonghaulError } from "./errors.js";
import { type Messages, type Receiver, snapshot } from "./frame.js";
import { checkListener, checkPublish, checkWatch, shown } from "./options.js";
import type { Follower } from "./publications.js";
import type { KeptDocument } from "./storage.js";
import { jsonOf } from "./topic.js";

const listenerHint = "pass a function: subscribe calls it with the value, onChange with nothing";

/** What a document needs of its client. */
export interface DocumentClient {
  /** Begins to follow; the number is for `resync` and `leave`. False where the client is closed. */
  follow(document: DocumentHandle): boolean;
  /** Nobody listens: it is followed to the end of the task, and longer if somebody does by then. */
  leave(document: DocumentHandle): void;
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
  /** Has own changes that were found in storage followed. */
  adopt(follower: (kind: number, text: string) => Follower): void;
  isConnected(): boolean;
  /** Keeps what is confirmed, or no longer. */
  keep(kept: KeptDocument | undefined): void;
  kept(): Promise<KeptDocument | undefined>;
  error(error: LonghaulError): void;
  /** A core has thrown: its instance is worth nothing. Each document is told to begin again. */
  crashed(cause: unknown): void;
  threw(cause: unknown): void;
}

interface Listener {
  readonly call: (value: unknown) => void;
  readonly at: string | undefined;
  /** Something has changed for it since it was called. */
  isDue: boolean;
  /** What it was last called for, if it is called for more than the value. */
  seen?: DocumentState<unknown>;
}

const resolved = Promise.resolve();

/** How long own changes wait for their acks before what they are laid over is kept, ms. Chosen: acks take less. */
const keepMs = 1_000;

/** What comes before the core is there is kept up to so many steps. Chosen: a download takes fewer; more is asked for anew. */
const earlyMax = 256;

/** Nobody follows, and so many own changes were acked: their entries are not here. Chosen: more than a page makes out of sight. */
const unseenMax = 256;

export class DocumentHandle implements Document<unknown>, Receiver {
  readonly name: string;
  readonly isPassive = false;
  /** 0 while it is not followed. */
  no = 0;
  epoch = "";
  readonly #client: DocumentClient;
  #core: DocumentCore | undefined;
  /** What it was when its client was closed. */
  #last: DocumentState<unknown> | undefined;
  /** What came before the core was there. */
  #early: ((core: DocumentCore) => void)[] | undefined;
  /** It was too much, and is asked for anew. */
  #isLost = false;
  #value: unknown;
  /** The same object until something changes. */
  #state: DocumentState<unknown> = {
    value: undefined,
    confirmed: undefined,
    pending: 0,
    seq: -1,
    epoch: "",
  };
  /** The log that what is confirmed belongs to: `epoch` is ahead of it until the snapshot. */
  #epoch = "";
  /** What is confirmed while own changes wait, read once for each entry. */
  #confirmed: { readonly at: string; readonly value: unknown } | undefined;
  /** The core knows nothing of `#value`. */
  #isAnew = true;
  /** Own changes without a verdict, by their rows, whether anybody follows or not. */
  readonly #own = new Map<number, { kind: number; text: string }>();
  #listeners: readonly Listener[] = [];
  /** End the subscriptions. */
  readonly #stops = new Set<() => void>();
  #isNoted = false;
  #keeping: ReturnType<typeof setTimeout> | undefined;
  /** Storage has what is confirmed. */
  #isKept = false;

  constructor(name: string, client: DocumentClient) {
    this.name = name;
    this.#client = client;
  }

  get topic(): string {
    return this.name;
  }

  get isUnused(): boolean {
    return this.#listeners.length === 0;
  }

  get value(): unknown {
    this.#look();
    return this.#value;
  }

  get confirmed(): unknown {
    if (this.#last !== undefined) return this.#last.confirmed;
    const { seq } = this;
    if (seq < 0) return undefined;
    if (this.#ask((core) => core.laid()) === 0) return this.value;
    const at = `${this.#epoch}/${seq}`;
    if (this.#confirmed?.at !== at) {
      const json = this.#ask((core) => core.confirmed());
      if (json === undefined) return undefined;
      this.#confirmed = { at, value: JSON.parse(json) };
    }
    return this.#confirmed.value;
  }

  get state(): DocumentState<unknown> {
    if (this.#last !== undefined) return this.#last;
    const { value, confirmed, pending, seq } = this;
    const last = this.#state;
    const epoch = seq < 0 ? "" : this.#epoch;
    const isSame =
      value === last.value &&
      confirmed === last.confirmed &&
      pending === last.pending &&
      seq === last.seq &&
      epoch === last.epoch;
    if (!isSame) this.#state = { value, confirmed, pending, seq, epoch };
    return this.#state;
  }

  get seq(): number {
    return this.#last?.seq ?? this.#ask((core) => core.seq()) ?? -1;
  }

  get pending(): number {
    return this.#last?.pending ?? this.#ask((core) => core.pending()) ?? this.#own.size;
  }

  at(pointer: string): unknown {
    checkPointer(pointer);
    if (this.#last !== undefined) return placeIn(this.#last.value, pointer);
    const json = this.seq < 0 ? undefined : this.#ask((core) => core.at(pointer));
    return json === undefined ? undefined : JSON.parse(json);
  }

  subscribe(
    listener: (value: unknown) => void,
    options: { at?: string; signal?: AbortSignal } = {},
  ): () => void {
    checkListener(listener, "a document", listenerHint);
    checkWatch(options);
    const { at, signal } = options;
    if (at !== undefined) checkPointer(at);
    if (signal?.aborted) return () => {};
    // One that comes later hears of the value that is there.
    const stop = this.#listen({ call: listener, at, isDue: !this.#isAnew });
    if (!this.#isAnew) this.#note();
    const leave = (): void => {
      signal?.removeEventListener("abort", leave);
      this.#stops.delete(leave);
      stop();
    };
    signal?.addEventListener("abort", leave);
    this.#stops.add(leave);
    return leave;
  }

  readonly onChange = (callback: () => void): (() => void) => {
    checkListener(callback, "a document", listenerHint);
    return this.#listen({ call: () => callback(), at: undefined, isDue: false, seen: this.state });
  };

  #listen(entry: Listener): () => void {
    if (this.#listeners.length === 0) {
      if (!this.#client.follow(this)) return () => {};
      if (this.#early === undefined && this.#core === undefined) this.#load(0);
    }
    this.#listeners = [...this.#listeners, entry];
    return () => {
      if (!this.#listeners.includes(entry)) return;
      this.#listeners = this.#listeners.filter((other) => other !== entry);
      if (this.#listeners.length === 0) this.#client.leave(this);
    };
  }

  patch(operations: readonly Operation[], options: PublishOptions = {}): Promise<Receipt> {
    return this.#change(kindPatch, operations, options);
  }

  merge(partial: unknown, options: PublishOptions = {}): Promise<Receipt> {
    return this.#change(kindMerge, partial, options);
  }

  /** The client is closed: nobody listens any more, not even to signals of subscriptions. */
  close(): void {
    this.#listeners = [];
    for (const stop of this.#stops) stop();
    clearTimeout(this.#keeping);
  }

  /** The same, once its own changes have their ends. What it was can still be read; the core's memory is free. */
  rest(): void {
    this.#last = this.state;
    this.#core = undefined;
    this.#early = undefined;
  }

  // What the engine calls.

  deliver({ first, chain, at, kind, data }: Messages): void {
    const text = data as string;
    const { epoch } = this;
    this.#do((core) => {
      if (kind === snapshot) this.#epoch = epoch;
      this.#stepped(kind === snapshot ? core.snapshot(epoch, first, chain, at, text) : core.take(text));
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
    const text = jsonOf(what, `a change of ${this.name}`);
    // What nobody follows may have become something else.
    const fault = this.no > 0 && this.#ask((core) => core.check(kind, text));
    if (fault) {
      const [code = "", message] = fault.split("\n");
      throw new LonghaulError(code, `${this.name}: ${message}`);
    }
    return this.#client.publish(this.name, text, options, kind, this.#follower(kind, text));
  }

  #follower(kind: number, text: string): Follower {
    return {
      queued: (row) => {
        if (this.#own.has(row)) return;
        this.#own.set(row, { kind, text });
        this.#happened((core) => core.publish(row, kind, text));
        this.#keepSoon();
      },
      acked: (row: number, { epoch, seq }: Ack) => {
        this.#own.delete(row);
        this.#happened((core) => core.acked(row, epoch, seq));
        if (this.no === 0) this.#forgetUnseen();
        this.#keepSoon();
      },
      dead: (row) => {
        this.#own.delete(row);
        this.#happened((core) => core.dead(row));
        this.#keepSoon();
      },
    };
  }

  /** Shows own changes that were found in storage. */
  adopt(): void {
    this.#client.adopt((kind, text) => this.#follower(kind, text));
  }

  /** Changes that were acked are kept for their entries, which do not come where nobody follows. The next who does begins anew. */
  #forgetUnseen(): void {
    const unseen = this.#ask((core) => core.laid() - core.pending()) ?? 0;
    if (unseen <= unseenMax) return;
    this.#core = undefined;
    this.#isAnew = true;
    this.#value = undefined;
  }

  /** What own changes are laid over is kept as long as they wait: a page that is opened without a network shows both. */
  #keepSoon(): void {
    const isConnected = this.#client.isConnected();
    // One that was set while there was a connection takes too long now.
    if (!isConnected) clearTimeout(this.#keeping);
    else if (this.#keeping !== undefined) return;
    this.#keeping = setTimeout(() => this.#keep(), isConnected ? keepMs : 0);
  }

  #keep(): void {
    this.#keeping = undefined;
    const json = this.seq < 0 ? undefined : this.#ask((core) => core.confirmed());
    const isWanted = this.#own.size > 0 && json !== undefined;
    if (!isWanted && !this.#isKept) return;
    this.#isKept = isWanted;
    this.#client.keep(isWanted ? [this.#epoch, this.seq, json] : undefined);
  }

  /** Begins again with another core, in so many ms: what is confirmed comes from the hub, and what is not is kept here. */
  begin(restMs: number): void {
    if (this.#core === undefined) return;
    this.#core = undefined;
    this.#isAnew = true;
    this.#load(restMs);
    this.#client.resync(this);
  }

  #lay(own: Iterable<readonly [row: number, change: { kind: number; text: string }]>): void {
    for (const [row, { kind, text }] of own) this.#do((core) => core.publish(row, kind, text));
  }

  #load(restMs: number): void {
    this.#early = [];
    this.#lay(this.#own);
    const rested = new Promise<void>((resolve) => setTimeout(resolve, restMs));
    const loaded = restMs > 0 ? rested.then(() => this.#client.load()) : this.#client.load();
    loaded.then(
      async (core) => {
        const kept = await this.#client.kept().catch(() => undefined);
        if (this.#last !== undefined) return;
        this.#core = core;
        if (kept !== undefined) {
          const [epoch, seq, json] = kept;
          this.#isKept = true;
          this.#epoch = epoch;
          this.#happened((core) => core.snapshot(epoch, seq, 0, 0, json));
        }
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const act of early) this.#do(act);
        if (!this.#isLost) return;
        this.#isLost = false;
        // What is confirmed comes from the hub, over which own changes are laid.
        this.#lay(this.#own);
        this.#client.resync(this);
      },
      (error: LonghaulError) => {
        this.#early = undefined;
        this.#client.error(error);
      },
    );
  }

  #do(act: (core: DocumentCore) => void): void {
    if (this.#core !== undefined) this.#ask(act);
    else if (!this.#isLost) {
      this.#early?.push(act);
      if ((this.#early?.length ?? 0) < earlyMax) return;
      this.#isLost = true;
      this.#early = [];
    }
  }

  /** Asks the core something, if it is there to answer. Whatever it throws is the end of its instance. */
  #ask<T>(ask: (core: DocumentCore) => T): T | undefined {
    try {
      return this.#core && ask(this.#core);
    } catch (cause) {
      this.#client.crashed(cause);
      return undefined;
    }
  }

  /** Something of our own has happened. It counts before the core is there to show it. */
  #happened(act: (core: DocumentCore) => void): void {
    this.#do(act);
    this.#note();
  }

  #stepped(step: number): void {
    if (step === stepChanged) this.#note();
    if (step !== stepDiverged) return;
    this.#client.error(
      new LonghaulError("document_diverged", `${this.name} was not what the hub has; it is asked for anew`),
    );
    this.#client.resync(this);
  }

  /** Listeners are called when all that has come is applied. */
  #note(): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    // Quicker than queueMicrotask, which is the browser's and not the language's.
    resolved.then(() => {
      this.#isNoted = false;
      if (this.#isAwaited()) this.#look();
      const listeners = this.#listeners;
      for (const listener of listeners) {
        if (listener.seen !== undefined) {
          const { state } = this;
          listener.isDue = listener.seen !== state;
          listener.seen = state;
        }
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
    if (this.#isAnew) return true;
    const isTouched = (at: string): boolean => this.#ask((core) => core.hasChanged(at)) === true;
    return this.#listeners.some(({ at, isDue }) => isDue || at === undefined || isTouched(at));
  }

  /** Brings the copy up to date. */
  #look(): void {
    if (this.seq < 0) return;
    const isFirst = this.#isAnew;
    const seen = this.#ask((core) => ({
      places: this.#listeners.filter(({ at }) => at !== undefined && core.hasChanged(at)),
      copy: core.copy(isFirst ? null : this.#value),
    }));
    if (seen === undefined) return;
    const { places, copy } = seen;
    if (copy !== undefined) this.#value = copy.value;
    else if (isFirst) this.#value = null;
    else return;
    this.#isAnew = false;
    for (const listener of this.#listeners) {
      listener.isDue ||= isFirst || listener.at === undefined || places.includes(listener);
    }
  }
}

function placeIn(value: unknown, pointer: string): unknown {
  let place = value;
  for (const token of pointer.split("/").slice(1)) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof place !== "object" || place === null || !Object.keys(place).includes(key)) return undefined;
    place = (place as Record<string, unknown>)[key];
  }
  return place;
}

function checkPointer(pointer: string): void {
  if (typeof pointer === "string" && /^(\/([^~]|~[01])*)?$/s.test(pointer)) return;
  throw new LonghaulError("option_invalid", `${shown(pointer)} is no JSON Pointer`, {
    hint: 'write "" for the whole, or "/" before each key: "/cards/7"; ~ is ~0 and / is ~1 in a key',
  });
}
