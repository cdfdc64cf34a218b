// The public types of the package. Importing it does nothing, so it is safe on a server.
//
// Durations are milliseconds. A point in time is milliseconds since 1970, and its comment names the
// clock. docs/errors.md explains each code: when it occurs, where, and what to do.

export type TransportName = "websocket" | "eventsource" | "longpoll";

/**
 * The code of a `LonghaulError`, or of a dead letter's reason. A newer hub may send other codes.
 */
export type ErrorCode =
  // Calls.
  | "url_invalid"
  | "option_invalid"
  | "topic_invalid"
  | "event_unknown"
  | "closed"
  | "data_not_json"
  | "payload_too_large"
  | "outbox_full"
  | "storage_full"
  | "wiped"
  | "discarded"
  | "outcome_unknown"
  | "not_flushed"
  | "row_unknown"
  | "storage_unavailable"
  | "consumer_too_slow"
  | "crypto_unavailable"
  // Documents.
  | "patch_failed"
  | "patch_invalid"
  | "patch_too_long"
  | "key_forbidden"
  | "document_too_deep"
  | "document_too_large"
  | "not_a_document"
  | "is_document"
  | "document_diverged"
  // Dead letters.
  | "expired"
  | "payload_invalid"
  | "forbidden"
  | "id_conflict"
  | "id_forgotten"
  | "outbox_lost"
  // Errors without a call.
  | "listener_threw"
  | "too_many_subscriptions"
  | "token_unavailable"
  | "token_timeout"
  | "subject_mismatch"
  | "not_owner"
  | "wasm_load_failed"
  | "outbox_name_taken"
  | "reload_required"
  | "busy"
  | "signature_invalid"
  | "client_crashed"
  | "not_on_server";

/** Why messages of a subscription are missing. */
export type GapReason =
  | "expired"
  | "trimmed"
  | "epoch"
  | "diverged"
  | "acl"
  | "corrupt"
  | "signature_invalid";

/** Why there is no connection. A close code of the hub is a number; this is its stable name. */
export type CloseCode =
  | "done"
  | "going_away"
  | "connection_lost"
  | "policy"
  | "frame_too_large"
  | "hub_error"
  | "hub_restart"
  | "try_again_later"
  | "bad_frame"
  | "hello_timeout"
  | "heartbeat_timeout"
  | "open_timeout"
  | "welcome_timeout"
  | "subprotocol_missing"
  | "replaced"
  | "too_many_subscriptions"
  | "slow_consumer"
  | "not_a_hub"
  | "transport_disabled"
  | "stream_buffered"
  | "token_unavailable"
  | "page_suspended"
  | "unauthorized"
  | "too_many_connections"
  | "version_unsupported"
  | "origin_refused"
  // A close code that this version does not know.
  | "closed_by_peer"
  // The client's own reasons.
  | "wasm_load_failed"
  | "client_crashed";

/** Where a wasm comes from: its address, a response, its bytes, or a compiled module. */
export type WasmSource = URL | string | Response | BufferSource | WebAssembly.Module;

export interface Options {
  /**
   * The bearer token, or a function that returns a fresh one. A token has 1 to 8,192 visible ASCII
   * characters. Default: none.
   *
   * The client calls the function
   * - before the first attempt, with `initial`;
   * - before the `exp` of a JWT, also before a reconnect, with `expiring`;
   * - once after the hub has refused the token, with `rejected`.
   *
   * It makes one call at a time and at most two a minute. `reconnect()` and the browser's `online`
   * event allow one call more.
   *
   * If the function throws, `onError` gets `token_unavailable`. If it has not answered after 30 s,
   * `onError` gets `token_timeout`; a later token still counts. To report that the user has to sign
   * in, throw an error of your own. The client takes these for a lack of network, and the status
   * stays `offline` or `waiting`:
   * - the errors of `fetch` and `AbortSignal.timeout()`: TypeError, NetworkError, TimeoutError and
   *   AbortError, also as the `cause` of another error;
   * - any error while the browser is offline, or while nothing answers at the hub's address;
   * - a timeout.
   */
  token?: string | ((reason: "initial" | "expiring" | "rejected") => string | Promise<string>);
  /**
   * The transports to use, in order of preference, each once. The client skips those that the
   * browser lacks. Default: all three, in the order of TransportName.
   */
  transports?: readonly TransportName[];
  /**
   * The delay before each attempt. It is random within a window that grows with each failure.
   * Attempts never stop.
   */
  backoff?: {
    /** The first window, ms: 1 to 2,147,483,647, and at most `capMs`. Default: 1,000. */
    baseMs?: number;
    /** How much each failure widens the window: 1 to 100. Default: 2. */
    factor?: number;
    /** The widest window, ms: 1 to 2,147,483,647. Default: 30,000. */
    capMs?: number;
    /**
     * How much of the window is random: `full` draws from the whole window, `half` from its second
     * half, and `none` takes its end. Default: `full`.
     */
    jitter?: "full" | "half" | "none";
    /**
     * After so many failed attempts the status has `isExhausted`: 1 to 2,147,483,647. Default: 20.
     */
    attemptsMax?: number;
  };
  /** How the client detects a dead connection. Default: the hub's values. */
  heartbeat?: {
    /** The time between two pings, ms: 100 to 2,147,483,647. Default beside `timeoutMs`: 25,000. */
    intervalMs?: number;
    /**
     * How long an answer may take, ms: 100 to 2,147,483,647. Default beside `intervalMs`: 10,000.
     */
    timeoutMs?: number;
  };
  /**
   * The queue of publications, in an IndexedDB database that all tabs and the service worker share.
   * `false` keeps it in memory. The outbox drops nothing: at a limit `publish` rejects. See
   * docs/offline.md.
   */
  outbox?:
    | false
    | {
        /**
         * The name of the database: at most 255 characters. Default: `longhaul`. If the app has
         * another database of this name, the client leaves it alone: `onError` gets
         * `outbox_name_taken`, and publications stay in memory.
         */
        name?: string;
        /**
         * The default of `PublishOptions.ttlMs`, ms: 1 to 604,800,000. Default: 604,800,000, seven
         * days.
         */
        ttlMs?: number;
        /** The most rows: 1 to 2,147,483,647. Default: 50,000. */
        rowsMax?: number;
        /** The most bytes of payloads: 1 to 2^53 - 1. Default: 16,777,216, 16 MiB. */
        bytesMax?: number;
        /**
         * Where the service worker gets a token while no tab is open: at most 2,048 characters. It
         * sends a POST with cookies. The answer is the token as text, without a redirect. Default:
         * none.
         */
        tokenUrl?: string;
        /**
         * What a topic does after the hub has rejected one of its publications for good. Pass the
         * same value in all tabs. Default: `continue`.
         * - `continue`: it sends the next publication.
         * - `pause`: it waits until the dead letter is retried or discarded, in every tab and after
         *   reloads, and it sends its publications one at a time. Expired and discarded
         *   publications pause nothing.
         */
        deadLetterPolicy?: "continue" | "pause";
      };
  /**
   * The user to whom the rows belong: at most 8,192 characters. The client never sends the rows of
   * one subject as another. Default: the `sub` of the token. If `token` is a function and `subject`
   * is missing, the outbox opens with the first token; so pass it to publish offline from the
   * start.
   */
  subject?: string;
  /**
   * Whether subscriptions with `from: "live"` continue where they were before a reload. They get
   * the missed messages first, and report gaps. Clients of one page to the same hub need different
   * keys, of at most 255 characters. Default: false.
   *
   * The tab's sessionStorage keeps the positions of the last 256 topics for 24 hours, without
   * payloads. The client writes it at most once a second, at `close()` and when the page is hidden.
   * A position is never ahead of the listeners, so after a crash of the tab the messages of the
   * last second may come again. A topic without a subscription is forgotten.
   */
  resume?: boolean | { key: string };
  /**
   * Where the wasm comes from. Default: `new URL("longhaul_bg.wasm", import.meta.url)`. See
   * docs/bundlers.md.
   *
   * The client downloads an address again, with `backoff`, until that succeeds; the status is
   * `waiting` with the code `wasm_load_failed` meanwhile. The third answer that is no wasm (a 404,
   * a captive portal) also goes to `onError`. The client tries everything else once.
   */
  wasm?: WasmSource | Promise<WasmSource>;
  /**
   * The same for the wasm of documents, which the client loads with the first document. The first
   * client with documents decides for the page. Default: `longhaul_documents_bg.wasm` beside the
   * script.
   */
  documentsWasm?: WasmSource | Promise<WasmSource>;
  /**
   * Whether the client also works on a server, such as in a bot or a script of Node. Default:
   * false. On a server, which has neither a `document` nor a worker's scope, `connect` returns a
   * client that does nothing, so that pages can be rendered: its status stays `connecting`, its
   * subscriptions get nothing, and calls that need the hub reject with `not_on_server`.
   */
  runOnServer?: boolean;
  /**
   * Called with every error that has no promise to reject. Default: console.error with code,
   * message and hint. `client_crashed` is a bug of Longhaul, with its cause: the client restarts by
   * itself without loss or repetition. After more than ten crashes within a minute it closes.
   */
  onError?: (error: LonghaulError) => void;
}

/**
 * Connects to a hub. Returns at once; the wasm and the network start in the background.
 *
 * `url` is the hub's base address, such as `https://hub.example.com`: http, https, ws or wss, at
 * most 2,048 characters. A list of up to 100 addresses is in order of preference: after two failed
 * attempts the client takes the next one.
 *
 * Throws `url_invalid` and `option_invalid`.
 */
export function connect(url: string | URL | readonly (string | URL)[], options?: Options): Client;

declare global {
  /** As in TypeScript's `esnext.disposable`, for apps whose library is older. */
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/**
 * A client that closes by itself has no further use: its calls reject with `wasm_load_failed` or
 * `client_crashed` instead of `closed`.
 */
export interface Client {
  /** The same object until something changes, so it fits useSyncExternalStore. */
  readonly status: Status;
  /** Returns a function that stops the listener. Throws `event_unknown` and `option_invalid`. */
  on<K extends keyof ClientEvents>(type: K, listener: (event: ClientEvents[K]) => void): () => void;
  /** The same object for the same name. Throws `topic_invalid`. */
  topic<T = unknown>(name: string): Topic<T>;
  /** The same object for the same name. Throws `topic_invalid`. */
  document<T = unknown>(name: string): Document<T>;
  readonly outbox: Outbox;
  /** Never throws. */
  metrics(): Metrics;
  /** Explains why the client uses its transport, and what to do. Never rejects. */
  diagnose(): Promise<Diagnosis>;
  /** Resets the backoff and tries now: to connect, and to load missing code. Never throws. */
  reconnect(): void;
  /**
   * Closes the client; further calls do nothing. No message follows, and iterations end. Rows of
   * the durable outbox stay, and their receipts reject with `closed`. Publications in memory become
   * dead letters with the code `closed`. The client's memory is free as soon as storage has
   * finished its current work. Never rejects.
   */
  close(): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

export type Status =
  | {
      state: "connecting";
      /** The attempt, from 1. */
      attempt: number;
      transport: TransportName;
    }
  | {
      state: "connected";
      transport: TransportName;
      /** When the connection was established, by this device's wall clock. */
      sinceMs: number;
      /** The last round trip, ms, once it is known. */
      rttMs?: number;
      /**
       * When the client repeats a request, by this device's wall clock; the earliest of several.
       * Present only while the hub's answers make repetitions necessary:
       * - the same message is missing again, or a post has failed;
       * - the hub answers `busy` or `out_of_order`;
       * - a document diverges;
       * - polls return at once with nothing.
       *
       * The client mostly makes the first repetition at once. Then the pauses double from 1 s to
       * 60 s, half of each random, until one helps. `metrics().repeats` counts them. If this stays,
       * check the hub and the proxies in front of it.
       */
      repeatAtMs?: number;
    }
  | {
      state: "waiting";
      /** The next attempt. */
      attempt: number;
      /** When it starts, by this device's wall clock. */
      retryAtMs: number;
      reason: CloseReason;
      /** More than `attemptsMax` attempts have failed. The client continues all the same. */
      isExhausted?: true;
    }
  /**
   * The browser reports that there is no network, and there is no connection. Attempts continue.
   * The client first probes a connection that was open, for up to 3 s. A page that starts without a
   * network is `waiting`, unless the wasm can't be loaded either.
   */
  | { state: "offline" }
  /**
   * The hub does not accept the token, or `token` has refused twice; a lack of network is no
   * refusal. The user may have to sign in. Nothing is lost: the state ends with the next token that
   * the hub accepts. The client calls `token` again after 30 to 70 s, and at `reconnect()`.
   */
  | { state: "unauthorized"; reason: CloseReason }
  /**
   * The client is closed. `wasm_load_failed` means here that a policy forbids wasm or its address,
   * or that `options.wasm` is no wasm. Every other failure to load leads to `waiting`.
   */
  | { state: "closed"; reason: CloseReason };

export interface CloseReason {
  code: CloseCode;
  /** The close code of the connection, if a connection ended. */
  closeCode?: number;
  message: string;
  /** The minimum retry delay that the hub has asked for, ms: at most 3,600,000. */
  retryAfterMs?: number;
}

export interface ClientEvents {
  status: Status;
  /**
   * A publication will never take effect. No publication is dropped without this event. It fires
   * once in every open tab of the subject, whichever tab published; for the memory outbox, only in
   * the tab that published. `outbox.deadLetters()` contains the dead letter by then. For a list of
   * dead letters use the event `outbox`, which also fires when one leaves.
   */
  deadletter: DeadLetter;
  /**
   * The rows or the dead letters have changed, in whichever tab: the size, a row that is being
   * discarded, or a dead letter. It also fires when this tab sends a row for the first time. Read
   * `outbox.rows()` and `outbox.deadLetters()` again: after the last of several events they are up
   * to date. With `client.outbox.size` as the snapshot it fits useSyncExternalStore. It does not
   * fire for a row's `attempts`, nor when another tab sends a row.
   */
  outbox: { size: number };
  /** The browser removed the outbox's storage with its rows. */
  outboxlost: { rows?: number };
}

export interface Message<T> {
  topic: string;
  seq: number;
  epoch: string;
  data: T;
  /** By the hub's clock. */
  publishedAtMs: number;
  /** The receipt's id, or the Idempotency-Key of a back end. */
  id?: string;
}

export interface Gap {
  /** The log to which the range belongs. */
  epoch: string;
  /** The first missing message. */
  fromSeq: number;
  /** The last missing message. Infinity if the log is gone, so that nobody knows it. */
  toSeq: number;
  reason: GapReason;
}

export interface SubscribeOptions {
  /**
   * The first message: `live` for the next one, `start` for the oldest that the hub retains, or a
   * seq from 1 to 2^53 - 1. Default: `live`.
   */
  from?: "live" | "start" | number;
  /**
   * Whether messages may be late by up to a minute. While every subscription is passive, the client
   * keeps no connection open. It uses short polls: 5 s after news, and up to 60 s apart while
   * nothing comes. The status stays `connected`, over `longpoll`. Nothing is lost, and gaps are
   * reported. The client moves to the best transport with the first other subscription, and back
   * 10 s after the last one has ended. Publications leave at once in either case. Has no effect if
   * client or hub does not allow `longpoll`. Default: false.
   */
  passive?: boolean;
  /** Ends the subscription when it aborts. Default: none. */
  signal?: AbortSignal;
  /** Called when messages can't be delivered. The messages after the gap follow. Default: none. */
  onGap?: (gap: Gap) => void;
}

export interface Topic<T> {
  readonly name: string;
  /**
   * Delivers every message once, in the order of seqs. Returns a function that stops the listener.
   * A listener that throws stops no other one: `onError` gets `listener_threw`. With `from: "live"`
   * a listener that starts in the task in which another stops takes over from it, without loss.
   *
   * Throws `option_invalid`. A closed client reports `closed` to `onError`.
   */
  subscribe(listener: (message: Message<T>) => void, options?: SubscribeOptions): () => void;
  /**
   * The same for `for await`. With `from: "live"` an iteration that begins in the task in which
   * another was left first gets the messages that the other one did not consume.
   *
   * Throws `option_invalid`. The iteration throws `closed` if the client is closed. It rejects with
   * `consumer_too_slow` if more than 10,000 messages wait; `from: lastSeq + 1` continues after it.
   */
  messages(options?: SubscribeOptions): AsyncIterable<Message<T>>;
  /**
   * Publishes a message. Resolves when the outbox has it. While the wasm is not loaded, calls wait
   * in order: a page that closes before they resolve loses them.
   *
   * Rejects with `data_not_json`, `option_invalid`, `payload_too_large`, `outbox_full`,
   * `storage_full`, `wiped`, `outcome_unknown` and `closed`.
   */
  publish(data: T, options?: PublishOptions): Promise<Receipt>;
}

/** One step of a patch. Source: RFC 6902. */
export type Operation =
  | { op: "add" | "replace" | "test"; path: string; value: unknown }
  | { op: "remove"; path: string }
  | { op: "move" | "copy"; from: string; path: string };

/**
 * A topic whose entries are patches: a JSON value of at most 1 MiB, nested at most 127 deep, null
 * while unwritten. The client follows a document while it has listeners, and loads the code for
 * that with the first one. The keys `__proto__`, `constructor` and `prototype` are not allowed. The
 * last state stays readable after the client is closed.
 */
export interface Document<T> {
  readonly name: string;
  /**
   * The value with the own pending changes. It is immutable, and shares unchanged parts with
   * earlier values. It is undefined until the first snapshot, and null while unwritten. A page that
   * starts without a network has a value only if own changes were waiting: see docs/offline.md. If
   * the hub loses the document, no gap is reported: the value becomes null, with the own waiting
   * changes on top, and `state.epoch` changes.
   */
  readonly value: T | null | undefined;
  /** The value that the hub has confirmed, after entry `seq`, without pending changes. */
  readonly confirmed: T | null | undefined;
  /** The entry after which `confirmed` holds; -1 before the first snapshot. */
  readonly seq: number;
  /**
   * The number of own changes that wait for the hub. A change counts from the moment its promise
   * resolves until it is acked, discarded, wiped or rejected, also without listeners.
   */
  readonly pending: number;
  /**
   * All of these together: the same object until a field changes. It fits useSyncExternalStore:
   * `useSyncExternalStore(document.onChange, () => document.state)`.
   */
  readonly state: DocumentState<T>;
  /**
   * Follows the document, and calls `callback` when `state` is a new object, once for all changes
   * that arrive together. It does not call for the present state. Needs no `this`. Returns a
   * function that stops it.
   *
   * Throws `option_invalid`. A closed client reports `closed` to `onError`.
   */
  readonly onChange: (callback: () => void) => () => void;
  /** The part of the value at a JSON Pointer. Throws `option_invalid`. */
  at(pointer: string): unknown;
  /**
   * Follows the document, and calls `listener` with the value, once for all changes that arrive
   * together. A listener that starts when there is a value gets it soon after the call. A listener
   * that starts in the task in which another stops needs no new snapshot. For `pending` and
   * `confirmed` see `onChange`. Returns a function that stops the listener.
   *
   * Throws `option_invalid`. A closed client reports `closed` to `onError`.
   */
  subscribe(
    listener: (value: T | null | undefined) => void,
    options?: {
      /** A JSON Pointer: the listener is called only when this part changes. Default: any part. */
      at?: string;
      /** Stops the listener when it aborts. Default: none. */
      signal?: AbortSignal;
    },
  ): () => void;
  /**
   * Publishes a patch (RFC 6902), which applies completely or not at all. `value` shows it at once.
   * If the patch no longer applies when the hub gets it, it becomes a dead letter. While the
   * document is unwritten, every path but the root fails: begin with `merge`.
   *
   * Rejects as `publish` does. While the document is followed, it also rejects with `patch_failed`,
   * `patch_invalid`, `patch_too_long`, `key_forbidden`, `document_too_deep` and
   * `document_too_large`. The option `key` is `option_invalid` here.
   */
  patch(operations: readonly Operation[], options?: PublishOptions): Promise<Receipt>;
  /** The same for a merge (RFC 7396). */
  merge(partial: unknown, options?: PublishOptions): Promise<Receipt>;
}

/** A document at one moment. Document explains the fields. */
export interface DocumentState<T> {
  readonly value: T | null | undefined;
  readonly confirmed: T | null | undefined;
  readonly pending: number;
  readonly seq: number;
  /**
   * The log to which `confirmed` belongs; "" before the first snapshot. It changes when the hub has
   * lost the document, which then begins again.
   */
  readonly epoch: string;
}

export interface PublishOptions {
  /**
   * The time to live, ms: how long the publication may take to reach the hub. 1 to 604,800,000, or
   * to 2^53 - 1 with `outbox: false`. A durable row expires by the hub's clock, so with the next
   * connection and not while the device is offline. A row in memory expires by this device's
   * monotonic clock. Default: `outbox.ttlMs`; without it, seven days for a durable row, and no
   * limit in memory.
   */
  ttlMs?: number;
  /**
   * Replaces the unsent publication with the same key on the same topic, in its place in the queue.
   * Both receipts then have the same id and settle together. At most 255 characters, which do not
   * count for `bytesMax`. Default: none.
   */
  key?: string;
  /**
   * If it is aborted already, the call rejects with its reason and publishes nothing. A later abort
   * has no effect: see `outbox.discard`. Default: none.
   */
  signal?: AbortSignal;
}

export interface Receipt {
  /**
   * The id of the message that readers get (`Message.id`): a hash of the outbox's name, a colon and
   * the row's number. An unsent row gets another id if the browser's profile turns out to be a
   * copy.
   */
  id: string;
  /** Whether the publication survives a reload. */
  durable: boolean;
  /**
   * Who sends a durable publication if the page closes before the ack: the service worker, or the
   * page of the next visit. It is `background-sync` only after the service worker has confirmed
   * that its `installOutbox` flushes this database, which takes a moment after the page has loaded.
   */
  deferred?: "background-sync" | "next-visit";
  /**
   * Settles when the outcome is final, however late. Rejects with the code of the dead letter, with
   * `discarded` or `wiped`, or with `closed` when the client closes first.
   */
  acked: Promise<Ack>;
}

export interface Ack {
  epoch: string;
  seq: number;
  /** Whether the hub had the publication already, from an earlier attempt. */
  duplicate: boolean;
}

/** Every method but `persist` rejects with `closed` if the client is closed. */
export interface Outbox {
  /**
   * The number of this subject's rows without an outcome, from every tab. The event `outbox`
   * reports changes. A call of `publish` that has not resolved has no row yet. 0 until the wasm is
   * loaded.
   */
  readonly size: number;
  /** The rows: as many as `size`, without those whose outcome this tab knows. */
  rows(): Promise<readonly OutboxRow[]>;
  /** The dead letters: at most 1,000. The oldest leave first. */
  deadLetters(): Promise<readonly DeadLetter[]>;
  /**
   * Publishes a dead letter again, as a new row. With the reason `outbox_lost` or `outcome_unknown`
   * the publication may then take effect twice.
   *
   * Rejects with `row_unknown`, and for a dead letter in memory with the codes of `publish`.
   */
  retry(id: string): Promise<void>;
  /**
   * Deletes a dead letter, or cancels a row: its receipt rejects with `discarded`, unless the hub
   * has the publication already. Another tab may have sent a row of the durable outbox. So the row
   * stays with the state `discarding` until the hub answers; its payload is not sent any more.
   *
   * Rejects with `row_unknown`.
   */
  discard(id: string): Promise<void>;
  /**
   * Sends everything that waits, now. Resolves when nothing waits any more.
   *
   * Rejects with `not_flushed` if rows wait
   * - without a connection or without the wasm;
   * - for a dead letter of their topic (`deadLetterPolicy: "pause"`);
   * - for disk space, or for storage that can't be reached.
   */
  flush(): Promise<void>;
  /**
   * Asks the browser to keep the origin's storage when disk space is short. Some browsers ask the
   * user, so call it after an important action. Resolves with the browser's answer; false if it has
   * no such function. Never rejects.
   */
  persist(): Promise<boolean>;
  /**
   * For log-out: stops sending, then removes all rows of this subject, in every tab and in the
   * service worker, in memory too. Their receipts reject with `wiped`, and so do calls of `publish`
   * without a receipt. Once it has resolved, none of these rows is sent. A publication that had
   * left may still take effect, and later publications of any tab stay. Resolves if there is no
   * storage.
   *
   * Rejects with `storage_unavailable` if there may be rows that can't be reached, or while the
   * wasm can't be loaded.
   */
  wipe(): Promise<void>;
}

export interface OutboxRow {
  id: string;
  topic: string;
  /** How it was published: by `publish`, `patch` or `merge`. */
  kind: "message" | "patch" | "merge";
  /**
   * - `queued`: the client has not sent it.
   * - `sent`: it may have arrived; the hub has not answered.
   * - `discarding`: the user has discarded it, and the hub has not said whether it had arrived.
   */
  state: "queued" | "sent" | "discarding";
  /** How often it was sent. */
  attempts: number;
  /** By this device's wall clock. */
  createdAtMs: number;
  /** By the hub's clock once the client knows it, until then by this device's wall clock. */
  expiresAtMs?: number;
  /** The argument of `publish`, `patch` or `merge`. */
  data: unknown;
}

export interface DeadLetter extends Omit<OutboxRow, "state"> {
  /**
   * From the hub, or from the client: `expired`, `outbox_lost`, `outcome_unknown` or `closed`. With
   * `outbox_lost` and `outcome_unknown` the publication may have arrived. If the hub's first answer
   * was lost, the hub repeats only the code: `message` then explains the code, without naming the
   * operation of a patch that failed.
   */
  reason: { code: ErrorCode; message: string };
}

/** Counts since the client began. Durations are by this device's monotonic clock. */
export interface Metrics {
  /** Connections that were established. */
  connects: number;
  /** Those after the first. */
  reconnects: number;
  /** Transports that were opened. */
  attempts: number;
  /** Moves from one transport to another within a session. */
  transportSwitches: number;
  /** Messages that listeners got. */
  messagesReceived: number;
  /** Those of them from the hub's log. */
  messagesReplayed: number;
  duplicatesDropped: number;
  gaps: number;
  /** Resumes that the hub could not continue. */
  resumesFailed: number;
  /** Publications that got a row. */
  publications: number;
  acks: number;
  /** Publications that were sent again. */
  retries: number;
  deadLetters: number;
  /** Requests and publications that the hub's answers made necessary again: see `repeatAtMs`. */
  repeats: number;
  /** The size of the outbox. */
  outboxRows: number;
  /** Characters of text frames. For ASCII these are bytes. */
  bytesReceived: number;
  /** The same. */
  bytesSent: number;
  /** Connections that ended because a heartbeat got no answer. */
  missedHeartbeats: number;
  /** Time on a transport that is not the first choice, ms. */
  degradedMs: number;
  /** Time without a connection, ms. */
  disconnectedMs: number;
  /** Each crash resets all other counters but `bytesReceived` and `bytesSent`. */
  crashes: number;
  /** Round trips, ms. */
  rttMs: Histogram;
  /** Times from the loss of a connection to the next one, ms. */
  recoveryMs: Histogram;
  /** Times from `publish` to the ack, ms. */
  ackMs: Histogram;
  /** Delays before attempts, ms. */
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
  /** The transport in use; undefined without a connection. */
  transport: TransportName | undefined;
  /** The last attempts, oldest first. */
  tried: readonly {
    transport: TransportName;
    /** `superseded`: another transport won the race. */
    outcome:
      | "ok"
      | "blocked"
      | "opened-then-closed"
      | "silent"
      | "buffered"
      | "refused"
      | "unsupported"
      | "superseded";
    detail: string;
    /** How long the attempt took, ms, by this device's monotonic clock. */
    tookMs: number;
  }[];
  /** Whether the browser reports a network. */
  online: boolean;
  /**
   * The protocol of the last request to the hub, such as "h2". Browsers do not report it for
   * another origin.
   */
  protocol?: string;
  /**
   * What to do, in English, for people. Its words may change. Faults on this side of the network
   * come first: a closed client, wasm that could not be loaded, the page's Content-Security-Policy,
   * an insecure address on a secure page, the wrong scheme.
   */
  advice: string;
}

/** The one class of errors. */
export class LonghaulError extends Error {
  readonly code: ErrorCode;
  /** What to do about it. */
  readonly hint?: string;
}
