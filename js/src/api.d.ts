// The public surface of the package. Durations are milliseconds. Nothing here runs at import time.
// docs/errors.md lists every error code: when it comes, where it is told, what to do.

export type TransportName = "websocket" | "eventsource" | "longpoll";

export interface Options {
  /**
   * Bearer token (1 to 8,192 visible ASCII characters), or how to get a fresh one. Asked before the first attempt, before the
   * token's `exp` (where it is a JWT; also before a reconnect), and once after the hub has refused it; one call at a time, at most
   * two a minute, but for `reconnect()` and for the first call after the browser says that the network is back.
   * What it throws is told to `onError` with the code `token_unavailable`; where it has not answered for 30 s, `token_timeout` is told,
   * and what it gives later is used all the same. To say that the user has to sign in, throw an error of your own. What `fetch` and
   * AbortSignal.timeout() throw (TypeError, NetworkError, TimeoutError, AbortError, or an error with one of them for its `cause`), an
   * error while the browser is offline or while nothing answers at the hub's address, and a time-out all mean that there is no
   * network: the status is then `offline` or `waiting`, and never `unauthorized`.
   */
  token?: string | ((reason: "initial" | "expiring" | "rejected") => string | Promise<string>);
  /** In order of preference. Default: all three, as listed in TransportName; those that the browser lacks are left out. */
  transports?: readonly TransportName[];
  /**
   * The wait before each attempt: by chance anywhere in a window (`jitter: "full"`) that begins at `baseMs` (1,000) and
   * grows by `factor` (2) with each failure up to `capMs` (30,000). Attempts never stop; after `attemptsMax` (20) failed
   * ones the status says so.
   */
  backoff?: {
    baseMs?: number;
    factor?: number;
    capMs?: number;
    jitter?: "full" | "half" | "none";
    attemptsMax?: number;
  };
  /** A ping every `intervalMs` (25,000), answered within `timeoutMs` (10,000). Default: what the hub says. */
  heartbeat?: { intervalMs?: number; timeoutMs?: number };
  /**
   * The queue of publications, in the IndexedDB database `name` ("longhaul"), shared by all tabs and the service worker. `false` keeps it in
   * memory. The name must be one that the app uses for no database of its own: one that longhaul did not make is left as it is, `onError`
   * gets `outbox_name_taken`, and publications are kept in memory. At `rowsMax` (50,000) or `bytesMax` (16 MiB) publish is refused with `outbox_full`, and with `storage_full`
   * where the browser has no room; nothing is dropped. The name has at most 255 characters, `tokenUrl` 2,048. `ttlMs` (at most and by default seven days) is the default of `PublishOptions.ttlMs`.
   * `tokenUrl` is for the service worker while no tab is open: it is asked by POST, with cookies, and answers with a token
   * as text, without a redirect.
   * See docs/offline.md.
   */
  outbox?:
    | false
    | {
        name?: string;
        ttlMs?: number;
        rowsMax?: number;
        bytesMax?: number;
        tokenUrl?: string;
        /**
         * What a topic does after the hub has refused one of its publications for good. `continue` (default): it sends the next one. `pause`:
         * it waits until the dead letter is retried or discarded, in every tab and after reloads, and it sends its publications one at a
         * time. A publication that expired or was discarded pauses nothing. All tabs should pass the same value.
         */
        poison?: "continue" | "pause";
      };
  /**
   * Whose rows these are (at most 8,192 characters): rows of one subject are never sent as another. Default: the token's `sub`. Where `token` is a function, the
   * outbox opens with the first token unless this says whose it is, so an app that is to publish offline from its start passes it.
   */
  subject?: string;
  /**
   * A reload goes on where the page was: a subscription with `from: "live"` to a topic that this client followed before the reload
   * gets what was missed first, and gaps are told. The tab's sessionStorage keeps the last 256 topics for 24 h, without payloads;
   * written once a second at most, at `close()` and when the page goes, and never ahead of what listeners were handed, so after a crash of the
   * tab the last second may come again. Unsubscribing forgets a topic. Clients of one page to the same hub need a `key` each, of at most 255 characters. Default: false.
   */
  resume?: boolean | { key: string };
  /**
   * Where the wasm comes from, when the default `new URL(..., import.meta.url)` does not fit. An address is downloaded again, with
   * `backoff`, until that succeeds: the status is `waiting` with the reason `wasm_load_failed` meanwhile. The third answer that is no wasm
   * (404, a captive portal) is also reported to `onError`. Anything else is tried once.
   */
  wasm?: URL | string | Response | BufferSource | WebAssembly.Module;
  /** The same for the wasm of documents, which is loaded with the first of them. The first client with documents decides for the page. */
  documentsWasm?: Options["wasm"];
  /**
   * Called with every error that has no promise to reject. Default: prints code, message and hint with console.error. `client_crashed` is a bug of ours, with its cause:
   * another instance of the wasm goes on by itself, and nothing is lost or told twice; after more than ten within a minute the client is closed.
   */
  onError?: (error: LonghaulError) => void;
}

/**
 * Returns at once; wasm and network start in the background. Importing the module is safe on a server.
 * A list names the hub's addresses in order of preference (a fallback domain): after two failed attempts the next one has its
 * turn. `url` is the hub's base address, `https://hub.example.com`, of at most 2,048 characters; ws and wss are understood too.
 * Throws a LonghaulError with code `url_invalid` or `option_invalid`.
 */
export function connect(url: string | URL | readonly (string | URL)[], options?: Options): Client;

declare global {
  /** As TypeScript's `esnext.disposable` has it: apps that name an older library need not add that. */
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

export interface Client {
  /** The same object until something changes, so it fits useSyncExternalStore. */
  readonly status: Status;
  /** Returns how to stop listening. */
  on<K extends keyof ClientEvents>(type: K, listener: (event: ClientEvents[K]) => void): () => void;
  /** The same object for the same name. Throws a LonghaulError with code `topic_invalid`. */
  topic<T = unknown>(name: string): Topic<T>;
  /** The same object for the same name. Throws a LonghaulError with code `topic_invalid`. */
  document<T = unknown>(name: string): Document<T>;
  readonly outbox: Outbox;
  metrics(): Metrics;
  /** Why the client is on the transport it is on: what was tried, what happened, and what to do. */
  diagnose(): Promise<Diagnosis>;
  /** Forget the backoff and try now: to connect, and to load what is not loaded yet. */
  reconnect(): void;
  /**
   * Idempotent. Nothing is delivered any more, and iterations end. Durable rows stay in the outbox, and their receipts reject with `closed`;
   * publications that were in memory only become dead letters (`closed`). The client's memory and its handles of storage are free once
   * storage has done what it is at.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type Status =
  | { state: "connecting"; attempt: number; transport: TransportName }
  /**
   * `repeatAtMs` is there while the client waits before it repeats a request, because what the hub answered did not help: a message that
   * is missing each time, `busy`, `out_of_order`, a document that diverges, polls answered at once with nothing, a failed post. The
   * first repetition is mostly made at once; then the waits double from 1 s to 60 s, half of each by chance, until something helps. It is
   * the earliest of them. `metrics().repeats` counts. Seldom seen; where it stays, look at the hub and the proxies before it.
   */
  | { state: "connected"; transport: TransportName; sinceMs: number; rttMs?: number; repeatAtMs?: number }
  /** `attempt` is the one that is waited for. `isExhausted`: over `attemptsMax` have failed; they go on all the same. */
  | { state: "waiting"; attempt: number; retryAtMs: number; reason: CloseReason; isExhausted?: true }
  /**
   * The browser has said that there is no network, and there is no connection. Attempts go on all the same. A connection that was open then
   * is probed first, for up to 3 s. A page that starts without a network is `waiting`, unless the wasm can't be loaded either.
   */
  | { state: "offline" }
  /**
   * The hub does not accept the token, or `token` has refused twice (see there; having no network is no refusal): the user may have to
   * sign in. Nothing is lost; it is left with the next token that is accepted. `token` is asked again after 30 to 70 s, and by
   * `reconnect()` at once.
   */
  | { state: "unauthorized"; reason: CloseReason }
  /** `wasm_load_failed`: a policy forbids wasm or its address, or `options.wasm` is none. Every other failure to load is `waiting`. */
  | { state: "closed"; reason: CloseReason };

export interface CloseReason {
  /** See docs/errors.md. */
  code: string;
  closeCode?: number;
  message: string;
  retryAfterMs?: number;
}

export interface ClientEvents {
  status: Status;
  /**
   * A publication that will never be accepted, with the reason. Nothing is dropped without one of these. Fires once in every open tab of the
   * subject, whichever published it; for what was in memory only, in the tab that had it. `outbox.deadLetters()` already lists it then. For a
   * list of dead letters use the event `outbox`, which also fires when one leaves.
   */
  deadletter: DeadLetter;
  /**
   * Read again: `outbox.size` has changed, a row is being discarded, or a dead letter has come or gone, in whichever tab. `outbox.rows()` and
   * `outbox.deadLetters()` that are read now, or at the last of several events, are up to date. With `client.outbox.size` as the snapshot it
   * fits useSyncExternalStore. It does not fire when a row's `attempts` change.
   */
  outbox: { size: number };
  /** The browser removed the outbox's storage; what was in it is gone. */
  outboxlost: { rows?: number };
}

export interface Message<T> {
  topic: string;
  seq: number;
  epoch: string;
  data: T;
  publishedAtMs: number;
  /** The receipt's id for what a client published, the Idempotency-Key for what a back end did. */
  id?: string;
}

export interface Gap {
  /** The log that the range belongs to. */
  epoch: string;
  fromSeq: number;
  /** Infinity where nobody knows how much is missing: the log is gone. */
  toSeq: number;
  /** `expired`, `trimmed`, `epoch`, `diverged`, `acl` or `corrupt`; on a signed topic `signature_invalid`. */
  reason: string;
}

export interface SubscribeOptions {
  /** "live" (default), a seq, or "start" of what the hub retains. */
  from?: "live" | "start" | number;
  /**
   * Nobody waits for these messages: they may come up to a minute late. While every subscription of a client is passive it
   * holds no connection and asks by short polls, 5 s after news and ever more rarely up to 60 s while nothing comes; the
   * status stays `connected`, over `longpoll`. Nothing is lost, and gaps are told as ever. With the first subscription that
   * is not passive it moves to the best transport at once, and back 10 s after the last such one has gone. Publications go
   * out at once either way. Has no effect where `longpoll` is not among the transports of client and hub. Default: false.
   */
  passive?: boolean;
  signal?: AbortSignal;
  /** The hub no longer has what was missed: the range is named, then messages go on. */
  onGap?: (gap: Gap) => void;
}

export interface Topic<T> {
  readonly name: string;
  /**
   * Every message once, in seq order. A listener that throws hurts nobody else. Returns how to stop. With `from: "live"` a listener that
   * stops and another that starts in the same task, as effects of components do, go on where the first one was: nothing in between is lost.
   * Throws `option_invalid`. On a closed client nothing comes: `onError` is told `closed`. The same goes for documents.
   */
  subscribe(listener: (message: Message<T>) => void, options?: SubscribeOptions): () => void;
  /**
   * The same for `for await`. A consumer may lag by 10,000 messages; past that the iteration fails with
   * `consumer_too_slow`, and `from: lastSeq + 1` goes on where it was. An iteration that begins in the task in which another was left gets
   * first what that one had not consumed, with `from: "live"`.
   */
  messages(options?: SubscribeOptions): AsyncIterable<Message<T>>;
  /**
   * Resolves when the publication is in the outbox. While the wasm is not loaded it stays pending, in the order of the calls: a page that
   * is closed before it resolves loses it. Rejects with `data_not_json`, `option_invalid`, `payload_too_large`, `outbox_full`,
   * `storage_full`, `wiped`, `outcome_unknown` or `closed`.
   */
  publish(data: T, options?: PublishOptions): Promise<Receipt>;
}

/** RFC 6902. */
export type Operation =
  | { op: "add" | "replace" | "test"; path: string; value: unknown }
  | { op: "remove"; path: string }
  | { op: "move" | "copy"; from: string; path: string };

/**
 * A topic whose messages are patches: JSON of at most 1 MiB, nested at most 127 deep. One that nobody has written is null.
 * It is followed while somebody listens; the code for that is loaded with the first listener. Keys `__proto__`,
 * `constructor` and `prototype` are refused. It can be read as it was after its client is closed.
 */
export interface Document<T> {
  readonly name: string;
  /**
   * Own pending changes included. Immutable and structurally shared between versions. Undefined until the first snapshot, null where
   * nobody has written. A page that starts without a network has a value only if own changes were waiting: see docs/offline.md. If the hub
   * has lost the document, the value becomes null, or what own waiting changes make; no gap is told, but `state.epoch` changes.
   */
  readonly value: T | null | undefined;
  /** What the hub has confirmed, after entry `seq`: without own changes whose entries are not here. */
  readonly confirmed: T | null | undefined;
  /** The entry that `confirmed` stands after, -1 before the first snapshot. */
  readonly seq: number;
  /**
   * Own changes that wait for the hub, once their promise has resolved, also while nobody listens. What the hub has acked is not
   * pending, nor what was discarded, wiped or refused.
   */
  readonly pending: number;
  /**
   * All of this at once: the same object until one of its fields changes. With `onChange` it fits useSyncExternalStore and stores:
   * `useSyncExternalStore(document.onChange, () => document.state)`.
   */
  readonly state: DocumentState<T>;
  /**
   * Follows the document as `subscribe` does, and calls `callback` once for all that comes together when `state` is another object: a
   * change of the hub's, an own change, or its ack. Not called for what is there already: read `state`. Needs no `this`. Returns how to
   * stop.
   */
  readonly onChange: (callback: () => void) => () => void;
  /** One place in the value by JSON Pointer, without the rest. Throws `option_invalid`. */
  at(pointer: string): unknown;
  /**
   * Called with the value, once for all that comes together; with `at`, a JSON Pointer, only when that place has changed. A listener
   * that joins when a value is there is called with it, after the call of subscribe. For `pending` and `confirmed` see `onChange`.
   * A listener that stops and another that starts in the same task go on without another snapshot.
   */
  subscribe(
    listener: (value: T | null | undefined) => void,
    options?: { at?: string; signal?: AbortSignal },
  ): () => void;
  /**
   * RFC 6902: all operations or none. Shows at once. Where somebody listens it rejects with `patch_failed` if it does not apply to
   * what is shown. If it no longer applies when the hub has it, it is a dead letter. While nobody has written the document, every
   * path but the root fails: begin with `merge`. Rejects as `publish` does, too;
   * `key` is refused with `option_invalid`.
   */
  patch(operations: readonly Operation[], options?: PublishOptions): Promise<Receipt>;
  /** RFC 7396, as `patch`. */
  merge(partial: unknown, options?: PublishOptions): Promise<Receipt>;
}

/** What a document is at one moment: see the fields of Document. */
export interface DocumentState<T> {
  readonly value: T | null | undefined;
  readonly confirmed: T | null | undefined;
  readonly pending: number;
  readonly seq: number;
  /** The log that `confirmed` belongs to, "" before the first snapshot. Another one: the hub lost the document, and it began anew. */
  readonly epoch: string;
}

export interface PublishOptions {
  /**
   * Give up if the hub has not had it within this time; at most seven days where it is durable. A durable row expires by the hub's time: not
   * while the device is offline, but with the next connection.
   */
  ttlMs?: number;
  /**
   * Replaces an unsent publication of the same topic with the same key, in its place in the queue. Both receipts then have the same id and
   * settle with the same ack. At most 255 characters, which do not count for `bytesMax`; a longer one is refused with `option_invalid`.
   */
  key?: string;
  /** If it is aborted already, the call rejects with its reason and publishes nothing. A later abort changes nothing: see `outbox.discard`. */
  signal?: AbortSignal;
}

export interface Receipt {
  /**
   * The id that readers see of the message (`Message.id`): a hash of the outbox's name, a colon, the row's number. Where the browser's profile turns
   * out to be a copy, a row that was not sent yet gets another one.
   */
  id: string;
  /** Whether it survives a reload. */
  durable: boolean;
  /**
   * Who sends it if this page is closed before the ack: the service worker, or the page of the next visit. Only where it is durable.
   * `background-sync` only after the service worker has confirmed that its `installOutbox` flushes this outbox's database. That takes a
   * moment after the page has loaded.
   */
  deferred?: "background-sync" | "next-visit";
  /** Settles when the outcome is final, however late; rejects when there is a dead letter. */
  acked: Promise<Ack>;
}

export interface Ack {
  epoch: string;
  seq: number;
  /** The hub had it from an earlier try. */
  duplicate: boolean;
}

export interface Outbox {
  /**
   * Rows not yet acknowledged, of this subject, from every tab. The event `outbox` tells of its changes. Calls whose `publish` has not
   * resolved are no rows yet, as while the wasm is not loaded.
   */
  readonly size: number;
  /** As many as `size`: none whose outcome this tab has heard of. Read them again at the event `outbox`. */
  rows(): Promise<readonly OutboxRow[]>;
  /** At most 1,000; the oldest go first. Read them again at the event `outbox`. */
  deadLetters(): Promise<readonly DeadLetter[]>;
  /**
   * Publishes a dead letter once more, as a new row. One whose reason is `outbox_lost` or `outcome_unknown` may have arrived: it may then take
   * effect twice. Rejects with `row_unknown`.
   */
  retry(id: string): Promise<void>;
  /**
   * Forgets a dead letter, or gives up a row: its receipt rejects with `discarded`, unless the hub has it already. A row in storage may have
   * been sent by another tab, so it stays, with the state `discarding`, until the hub has said so; its payload is not sent any more. Rejects
   * with `row_unknown`.
   */
  discard(id: string): Promise<void>;
  /**
   * Tries now. Resolves when nothing waits any more; rejects with `not_flushed` where rows wait and there is no connection, or no wasm, or
   * where they wait for a dead letter of their topic (`poison: "pause"`), for room on the disk, or for storage that can't be reached.
   */
  flush(): Promise<void>;
  /**
   * Asks the browser not to remove the origin's storage when it needs room. Some ask the user, so call it when they do something that
   * matters. Whether it is granted; false where browsers have no such thing.
   */
  persist(): Promise<boolean>;
  /**
   * For log-out: stops sending, then removes this subject's rows in every tab and the service worker, in memory too. Their receipts reject
   * with `wiped`, and so do calls of `publish` that have no receipt yet. When it has resolved nothing of them is sent any more; what was on
   * its way may still take effect, and what any tab publishes from then on stays. Resolves where there is no storage, because nothing was kept. Rejects with `storage_unavailable` where
   * there may be rows that can't be reached, or while the wasm can't be loaded.
   */
  wipe(): Promise<void>;
}

export interface OutboxRow {
  id: string;
  topic: string;
  /** What `data` is: what `publish` was given, the operations of a patch, or a merge. */
  kind: "message" | "patch" | "merge";
  /**
   * `sent`: it may have arrived; the hub has not said so yet. `discarding`: it was discarded, and the hub has not yet said
   * whether it had arrived before.
   */
  state: "queued" | "sent" | "discarding";
  attempts: number;
  createdAtMs: number;
  /** By the hub's clock, once that is known. */
  expiresAtMs?: number;
  data: unknown;
}

export interface DeadLetter extends Omit<OutboxRow, "state"> {
  /**
   * The hub's, or the client's own (`expired`, `outbox_lost`, `outcome_unknown`; with the last two it may or may not have arrived). If the
   * hub's first answer was lost, the hub repeats only the code: `message` then says what the code means, and not which operation of a patch
   * failed.
   */
  reason: { code: string; message: string };
}

export interface Metrics {
  connects: number;
  reconnects: number;
  attempts: number;
  /** Moves from one transport to another within a session. */
  transportSwitches: number;
  messagesReceived: number;
  messagesReplayed: number;
  duplicatesDropped: number;
  gaps: number;
  resumesFailed: number;
  publications: number;
  acks: number;
  retries: number;
  deadLetters: number;
  /** Requests, and publications, that were to be made again because of what the hub said: see `repeatAtMs` in Status. */
  repeats: number;
  outboxRows: number;
  /** Characters of text frames, which for ASCII are bytes. */
  bytesReceived: number;
  bytesSent: number;
  missedHeartbeats: number;
  /** Time on a transport that is not the first choice. */
  degradedMs: number;
  disconnectedMs: number;
  /** After each of them all other counters begin anew, but for `bytesReceived` and `bytesSent`. */
  crashes: number;
  rttMs: Histogram;
  recoveryMs: Histogram;
  ackMs: Histogram;
  backoffMs: Histogram;
}

/** Percentiles are at most 25% too high. */
export interface Histogram {
  count: number;
  sum: number;
  min: number;
  max: number;
  p50: number;
  p95: number;
  p99: number;
}

export interface Diagnosis {
  /** The one in use. */
  transport: TransportName | undefined;
  /** The last tries, oldest first. */
  tried: readonly {
    transport: TransportName;
    outcome:
      | "ok"
      | "blocked"
      | "opened-then-closed"
      | "silent"
      | "buffered"
      | "refused"
      | "unsupported"
      | "overtaken";
    detail: string;
    tookMs: number;
  }[];
  /** What the browser thinks. */
  online: boolean;
  /** The protocol of the last request to the hub, such as "h2", where the browser tells: not of another origin. */
  protocol?: string;
  /**
   * What to do, in English, for people; its words may change. Faults on this side of the network come first: a client that is closed,
   * wasm that could not be loaded, the page's Content-Security-Policy, an insecure address on a secure page, the wrong scheme.
   */
  advice: string;
}

/** `code` is stable: docs/errors.md has all of them. */
export class LonghaulError extends Error {
  readonly code: string;
  readonly hint?: string;
}
