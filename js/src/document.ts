// The document that an app gets: its listeners, its promises, and the page's copy of its value.
//
// documents.ts has the core that computes the value.

import type { Ack, Document, DocumentState, Gap, Operation, PublishOptions, Receipt } from "./api.js";
import { kindMerge, kindPatch, stepChanged, stepDiverged } from "./boundary.js";
import type { DocumentCore } from "./documents.js";
import { type ErrorCode, LonghaulError } from "./errors.js";
import { type Messages, type Receiver, snapshot } from "./frame.js";
import { checkListener, checkPublish, checkWatch, shown } from "./options.js";
import type { NewCall, PublicationObserver } from "./publications.js";
import type { SavedDocument } from "./storage.js";
import { jsonOf } from "./topic.js";

const listenerHint = "pass a function: subscribe calls it with the value, onChange with nothing";

export interface DocumentClient {
  /**
   * Begins to follow the document, and gives it a number. Returns false if the client is closed.
   */
  follow(document: DocumentHandle): boolean;
  /** The last listener has stopped. Unless one starts in this task, the client stops following. */
  leave(document: DocumentHandle): void;
  resync(document: Receiver): void;
  publish(call: NewCall): Promise<Receipt>;
  /** Makes a core. */
  load(): Promise<DocumentCore>;
  /** Observes the own changes from storage. */
  adopt(observer: (kind: number, text: string) => PublicationObserver): void;
  isConnected(): boolean;
  /** Saves the confirmed value; without one, deletes it. */
  save(saved: SavedDocument | undefined): void;
  saved(): Promise<SavedDocument | undefined>;
  error(error: LonghaulError): void;
  /** A core has thrown, which ends its instance. The client restarts all documents. */
  crashed(cause: unknown): void;
  threw(cause: unknown): void;
}

interface Listener {
  readonly call: (value: unknown) => void;
  readonly at: string | undefined;
  /** Whether the listener's part has changed since its last call. */
  isDue: boolean;
  /** The state at its last call, for a listener of the whole state. */
  seen?: DocumentState<unknown>;
}

const resolved = Promise.resolve();

/**
 * How long own changes wait for acks before the client saves the confirmed value, ms. Chosen: acks
 * take less.
 */
const saveDelayMs = 1_000;

/**
 * How many steps wait for the core. Chosen: fewer arrive during a download. After more, the
 * document starts again.
 */
const earlyMax = 256;

/**
 * How many acked changes a document without listeners keeps. Chosen: a page makes fewer in the
 * background.
 */
const unseenMax = 256;

export class DocumentHandle implements Document<unknown>, Receiver {
  readonly name: string;
  readonly isPassive = false;
  /** The number of its subscription; 0 while it is not followed. */
  no = 0;
  epoch = "";
  readonly #client: DocumentClient;
  #core: DocumentCore | undefined;
  /** The state when the client was closed. */
  #last: DocumentState<unknown> | undefined;
  /** Steps that wait for the core. */
  #early: ((core: DocumentCore) => void)[] | undefined;
  /** Whether there were too many, so that the document starts again. */
  #isOverflown = false;
  #value: unknown;
  /** The same object until something changes. */
  #state: DocumentState<unknown> = {
    value: undefined,
    confirmed: undefined,
    pending: 0,
    seq: -1,
    epoch: "",
  };
  /** The log of the confirmed value. `epoch` is ahead of it until the snapshot. */
  #epoch = "";
  /** The confirmed value while own changes wait, read once for each entry. */
  #confirmed: { readonly at: string; readonly value: unknown } | undefined;
  /** Whether the core has given no value yet. */
  #isNew = true;
  /** The own changes without a verdict, by row, also while the document is not followed. */
  readonly #own = new Map<number, { kind: number; text: string }>();
  #listeners: readonly Listener[] = [];
  /** End the subscriptions. */
  readonly #stops = new Set<() => void>();
  #isNotifying = false;
  #saveTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether storage has the confirmed value. */
  #isSaved = false;

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
    this.#refresh();
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
    if (this.#last !== undefined) return valueAt(this.#last.value, pointer);
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
    // A listener that starts later gets the present value.
    const stop = this.#listen({ call: listener, at, isDue: !this.#isNew });
    if (!this.#isNew) this.#notify();
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

  /** The client is closed: removes all listeners, also those on signals. */
  close(): void {
    this.#listeners = [];
    for (const stop of this.#stops) stop();
    clearTimeout(this.#saveTimer);
  }

  /**
   * Releases the core, after the own changes have their outcomes. The last state stays readable.
   */
  release(): void {
    this.#last = this.state;
    this.#core = undefined;
    this.#early = undefined;
  }

  // The engine calls these.

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

  reportGap(_gap: Gap): void {}

  async #change(kind: number, change: unknown, options: PublishOptions): Promise<Receipt> {
    checkPublish(options);
    options.signal?.throwIfAborted();
    if (options.key !== undefined) {
      throw new LonghaulError("option_invalid", "documents have no option key", {
        hint: "omit key: every change of a document counts",
      });
    }
    const text = jsonOf(change, `a change of ${this.name}`);
    // Without the hub's entries the core can't check a change.
    const fault = this.no > 0 && this.#ask((core) => core.check(kind, text));
    if (fault) {
      const [code, message] = fault.split("\n");
      throw new LonghaulError(code as ErrorCode, `${this.name}: ${message}`, {
        ...(this.value == null && { hint: "the document has no value yet: begin with merge" }),
      });
    }
    const observer = this.#observer(kind, text);
    return this.#client.publish({ topic: this.name, kind, text, options, observer });
  }

  #observer(kind: number, text: string): PublicationObserver {
    return {
      queued: (row) => {
        if (this.#own.has(row)) return;
        this.#own.set(row, { kind, text });
        this.#apply((core) => core.publish(row, kind, text));
        this.#saveSoon();
      },
      acked: (row: number, { epoch, seq }: Ack) => {
        this.#own.delete(row);
        this.#apply((core) => core.acked(row, epoch, seq));
        if (this.no === 0) this.#forgetUnseen();
        this.#saveSoon();
      },
      dead: (row) => {
        this.#own.delete(row);
        this.#apply((core) => core.dead(row));
        this.#saveSoon();
      },
    };
  }

  /** Shows the own changes from storage. */
  adopt(): void {
    this.#client.adopt((kind, text) => this.#observer(kind, text));
  }

  /**
   * Drops the core if it keeps too many acked changes. It keeps them until their entries come,
   * which never happens while the document is not followed. The next listener starts it again.
   */
  #forgetUnseen(): void {
    const unseen = this.#ask((core) => core.laid() - core.pending()) ?? 0;
    if (unseen <= unseenMax) return;
    this.#core = undefined;
    this.#isNew = true;
    this.#value = undefined;
  }

  /**
   * Saves the confirmed value while own changes wait: a page that opens without a network shows it
   * with the changes on top.
   */
  #saveSoon(): void {
    const isConnected = this.#client.isConnected();
    // Without a connection the delay of an earlier timer is too long.
    if (!isConnected) clearTimeout(this.#saveTimer);
    else if (this.#saveTimer !== undefined) return;
    this.#saveTimer = setTimeout(() => this.#save(), isConnected ? saveDelayMs : 0);
  }

  #save(): void {
    this.#saveTimer = undefined;
    const json = this.seq < 0 ? undefined : this.#ask((core) => core.confirmed());
    const isWanted = this.#own.size > 0 && json !== undefined;
    if (!isWanted && !this.#isSaved) return;
    this.#isSaved = isWanted;
    this.#client.save(isWanted ? { epoch: this.#epoch, seq: this.seq, json } : undefined);
  }

  /**
   * Restarts with a new core after a delay. The hub sends the confirmed value; own changes are
   * here.
   */
  restart(delayMs: number): void {
    if (this.#core === undefined) return;
    this.#core = undefined;
    this.#isNew = true;
    this.#load(delayMs);
    this.#client.resync(this);
  }

  #addOwn(own: Iterable<readonly [row: number, change: { kind: number; text: string }]>): void {
    for (const [row, { kind, text }] of own) this.#do((core) => core.publish(row, kind, text));
  }

  #load(delayMs: number): void {
    this.#early = [];
    this.#addOwn(this.#own);
    const delayed = new Promise<void>((resolve) => setTimeout(resolve, delayMs));
    const loaded = delayMs > 0 ? delayed.then(() => this.#client.load()) : this.#client.load();
    loaded.then(
      async (core) => {
        const saved = await this.#client.saved().catch(() => undefined);
        if (this.#last !== undefined) return;
        this.#core = core;
        if (saved !== undefined) {
          const { epoch, seq, json } = saved;
          this.#isSaved = true;
          this.#epoch = epoch;
          this.#apply((core) => core.snapshot(epoch, seq, 0, 0, json));
        }
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const act of early) this.#do(act);
        if (!this.#isOverflown) return;
        this.#isOverflown = false;
        // The hub sends the confirmed value, and the own changes go on top.
        this.#addOwn(this.#own);
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
    else if (!this.#isOverflown) {
      this.#early?.push(act);
      if ((this.#early?.length ?? 0) < earlyMax) return;
      this.#isOverflown = true;
      this.#early = [];
    }
  }

  /** Asks the core a question, if there is a core. An exception ends its instance. */
  #ask<T>(ask: (core: DocumentCore) => T): T | undefined {
    try {
      return this.#core && ask(this.#core);
    } catch (cause) {
      this.#client.crashed(cause);
      return undefined;
    }
  }

  /** Applies an own change. Listeners are called even if there is no core yet. */
  #apply(act: (core: DocumentCore) => void): void {
    this.#do(act);
    this.#notify();
  }

  #stepped(step: number): void {
    if (step === stepChanged) this.#notify();
    if (step !== stepDiverged) return;
    this.#client.error(
      new LonghaulError(
        "document_diverged",
        `the copy of ${this.name} differed from the hub's; the client gets it again`,
      ),
    );
    this.#client.resync(this);
  }

  /** Calls the listeners, after everything that has arrived is applied. */
  #notify(): void {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    // A promise is faster than queueMicrotask, which leaves the engine.
    resolved.then(() => {
      this.#isNotifying = false;
      if (this.#isAwaited()) this.#refresh();
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

  /** Whether a listener's part has changed. */
  #isAwaited(): boolean {
    if (this.#isNew) return true;
    const isTouched = (at: string): boolean => this.#ask((core) => core.hasChanged(at)) === true;
    return this.#listeners.some(({ at, isDue }) => isDue || at === undefined || isTouched(at));
  }

  /** Updates the page's copy of the value. */
  #refresh(): void {
    if (this.seq < 0) return;
    const isFirst = this.#isNew;
    const update = this.#ask((core) => ({
      touched: this.#listeners.filter(({ at }) => at !== undefined && core.hasChanged(at)),
      copy: core.copy(isFirst ? null : this.#value),
    }));
    if (update === undefined) return;
    const { touched, copy } = update;
    if (copy !== undefined) this.#value = copy.value;
    else if (isFirst) this.#value = null;
    else return;
    this.#isNew = false;
    for (const listener of this.#listeners) {
      listener.isDue ||= isFirst || listener.at === undefined || touched.includes(listener);
    }
  }
}

function valueAt(value: unknown, pointer: string): unknown {
  let part = value;
  for (const token of pointer.split("/").slice(1)) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof part !== "object" || part === null || !Object.keys(part).includes(key)) return undefined;
    part = (part as Record<string, unknown>)[key];
  }
  return part;
}

function checkPointer(pointer: string): void {
  if (typeof pointer === "string" && /^(\/([^~]|~[01])*)?$/s.test(pointer)) return;
  throw new LonghaulError("option_invalid", `${shown(pointer)} is no JSON Pointer`, {
    hint: 'use "" for the whole value, or "/" before each key: "/cards/7"; in a key write ~0 for ~ and ~1 for /',
  });
}
