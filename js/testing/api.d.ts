// What `longhaul/testing` offers.

import type { Operation, TransportName } from "./index.js";

export type { Operation, TransportName };

/**
 * A hub in this process: the core of Longhaul's own hub, without sockets. Give it a virtual clock
 * for tests that take no time, or none to run by the system's clock (or by the fake timers of a
 * test framework, which it uses where they are installed). Rejects where its wasm can't be loaded,
 * and with what is wrong with `limits`.
 */
export function createTestHub(options?: TestHubOptions): Promise<TestHub>;

/**
 * A clock that stands still until it is told to go on. Starts at `nowMs`, ms since 1970 (default:
 * 2024-01-01).
 */
export function createVirtualClock(options?: VirtualClockOptions): VirtualClock;

/**
 * Puts seeded chance in the place of `Math.random` and `crypto.getRandomValues`, so that a failing
 * test fails again. Ids that clients make repeat as well. Not for anything but tests. Returns what
 * undoes it.
 */
export function seedRandom(seed: number, scope?: Scope): () => void;

export type WasmSource =
  | URL
  | string
  | BufferSource
  | WebAssembly.Module
  | Promise<BufferSource | WebAssembly.Module>;

/** What has the globals: `globalThis`, or a frame's window. */
export type Scope = typeof globalThis;

export interface TestHubOptions {
  /**
   * The address at which pages find it. Default: `https://hub.test`. No request to it leaves the
   * process.
   */
  url?: string;
  /** Of all chance in it: epochs, sessions, delays and faults. A whole number. Default: 1. */
  seed?: number;
  /** Default: the system's. */
  clock?: Clock;
  limits?: HubLimits;
  /**
   * Whether it accepts a token; clients without one show `undefined`. Default: it accepts all, as a
   * hub without a key does. What it refuses gets close code 4401 or status 401.
   */
  accepts?: (token: string | undefined) => boolean;
  /** The origins whose pages it serves, beside its own. Default: all. */
  origins?: readonly string[];
  /** Where its wasm comes from, if not from beside the module. The first hub decides for all. */
  wasm?: WasmSource;
}

/**
 * Those that differ from the hub's defaults, by the names that `/.well-known/longhaul` has for
 * them.
 */
export interface HubLimits {
  transports?: readonly TransportName[];
  admitPerSecond?: number;
  connectionsMax?: number;
  controlBytesMax?: number;
  drainMs?: number;
  frameBytesMax?: number;
  heartbeatMs?: number;
  heartbeatWaitMs?: number;
  holdMs?: number;
  idempotencyKeysMax?: number;
  memoryBytesMax?: number;
  pageBytesMax?: number;
  pageEntriesMax?: number;
  payloadBytesMax?: number;
  producersMax?: number;
  producersMs?: number;
  retainBytes?: number;
  retainEntries?: number;
  retainMs?: number;
  subscriptionsBytesMax?: number;
  subscriptionsMax?: number;
  topicIdleMs?: number;
  topicsMax?: number;
}

export interface TestHub {
  /** What to pass to `connect`. */
  readonly url: string;
  /** Whether it runs: see `stop`. */
  readonly isUp: boolean;
  /** Connections at present, over every transport. */
  readonly connections: number;
  /** How far the hub's wall clock is ahead of `clock`, ms. May be set at any time. Default: 0. */
  skewMs: number;
  /** May be set at any time; it is asked for each token that is shown from then on. */
  accepts: (token: string | undefined) => boolean;
  /** What has reached it so far. A copy. */
  readonly metrics: HubMetrics;
  /**
   * Publishes as a back end does. `key` is its Idempotency-Key. Throws with the hub's code where it
   * takes no effect.
   */
  publish(topic: string, data: unknown, options?: { key?: string }): Published;
  /** Changes a document as a back end does (RFC 6902). Throws with the hub's code. */
  patch(topic: string, operations: readonly Operation[], options?: { key?: string }): Published;
  /** The same by RFC 7396. */
  merge(topic: string, partial: unknown, options?: { key?: string }): Published;
  /** What it retains of a topic, the oldest first: messages, or the changes of a document. */
  entries(topic: string): readonly Entry[];
  /** A document's value; undefined where nobody has written it. A client's `document.value` is null then. */
  document(name: string): unknown;
  /** A device with a line of its own. */
  browser(options?: BrowserOptions): TestBrowser;
  /** Everything open ends without a word, as when a process is killed, and requests fail. */
  stop(): void;
  /**
   * Runs again. Without `keepLog` it has forgotten everything, and its logs have new epochs.
   * Default: false.
   */
  start(options?: { keepLog?: boolean }): void;
  /** `stop` and `start`. */
  restart(options?: { keepLog?: boolean }): void;
  /**
   * Sends its clients away one after the other, as a hub does before it stops. Lets nobody in;
   * `restart` ends that.
   */
  drain(): Promise<void>;
  /** The end: stops it and takes its browsers' globals out again. Idempotent. */
  close(): void;
}

export interface HubMetrics {
  /** WebSockets that have reached it. */
  sockets: number;
  /** Event streams that were asked for. */
  streams: number;
  polls: number;
  /** Posts of publications. */
  publishes: number;
  /** Requests of every kind, but for WebSockets. */
  requests: number;
  /** Frames that came over WebSockets. */
  frames: number;
}

/** Where a publication stands. */
export interface Published {
  topic: string;
  epoch: string;
  seq: number;
  /** The hub had it before, by its key. */
  duplicate: boolean;
}

export interface Entry {
  seq: number;
  data: unknown;
  publishedAtMs: number;
  /** Of a client's publication or a back end's key. */
  id?: string;
  /** What a change of a document is. */
  change?: "patch" | "merge";
}

export interface BrowserOptions {
  /**
   * The address at which this device finds the hub. Default: the hub's `url`. Clients with
   * different addresses can each have their own line while all share one set of globals.
   */
  url?: string;
  /** The page's origin. Default: that of `url`. */
  origin?: string;
}

/** A device: what its pages reach the hub with. */
export interface TestBrowser {
  readonly url: string;
  readonly line: Line;
  readonly WebSocket: typeof WebSocket;
  readonly EventSource: typeof EventSource;
  readonly fetch: typeof fetch;
  /**
   * Puts these in the place of the scope's own. Requests to other addresses go to what was there
   * before, and in Node `fetch` reads `file:` addresses as well, where the package's wasm is.
   * Returns what undoes it, the last one first; so does `hub.close()`.
   */
  install(scope?: Scope): () => void;
}

/**
 * What can be done to the way between one device and the hub. All of it holds for both directions.
 */
export interface Line {
  /** How long everything takes one way, ms. Default: 0, which still is a task of its own. */
  latencyMs: number;
  /**
   * Up to so much more, ms, by chance for each piece: order holds within a connection, but not
   * between two. Default: 0.
   */
  jitterMs: number;
  /** Shared fairly by all connections of the line. Default: Infinity. */
  bytesPerSecond: number;
  /**
   * The chance, 0 to 1, that a frame, request or answer is lost and its connection with it.
   * Default: 0.
   */
  cutRate: number;
  /** The chance, 0 to 1, that a post arrives twice, as by a proxy that tries again. Default: 0. */
  duplicateRate: number;
  /** Whether there is no network: see `disconnect`. */
  readonly isCut: boolean;
  /** Connections and requests under way. */
  readonly open: number;
  /**
   * Ends what is open, of one transport or of all. What is opened next works. Both ends hear of it
   * at once.
   */
  cut(options?: CutOptions): void;
  /**
   * No network: ends what is open, and what is opened fails at once. The browser's `online` and
   * `offline` events are the test's to fire.
   */
  disconnect(): void;
  /**
   * Nothing passes any more, and nobody hears of it: what is open never ends by itself, not even
   * after `restore`, and what is opened does not open.
   */
  blackHole(): void;
  /** A short outage: what is under way waits for `restore` and arrives then. */
  hold(): void;
  /** The end of `disconnect`, `blackHole` or `hold`. */
  restore(): void;
  /** A network that lets one transport not through. Default: `refused`. */
  block(transport: TransportName, kind?: BlockKind): void;
  /** The end of `block`, for one transport or for all. */
  unblock(transport?: TransportName): void;
}

/**
 * `refused`: fails after a round trip. `silent`: never answers. `csp`: the page's own policy
 * forbids it, where a WebSocket fires `error` and no `close`.
 */
export type BlockKind = "refused" | "silent" | "csp";

export interface CutOptions {
  transport?: TransportName;
}

/** What a hub and its lines go by. */
export interface Clock {
  /** ms since 1970. */
  now(): number;
  /** ms that have passed; never goes back. */
  elapsed(): number;
  setTimeout(task: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface VirtualClockOptions {
  nowMs?: number;
}

export interface VirtualClock extends Clock {
  /** Timers that wait. */
  readonly timers: number;
  /** How long until the next of them, ms. */
  readonly nextMs: number | undefined;
  /**
   * Goes on by so much: runs what is due in order, and whatever that makes ready (promises,
   * `setImmediate`), before the next. Calls wait for each other. Rejects with what a timer throws.
   */
  advance(ms: number): Promise<void>;
  /**
   * Goes on from timer to timer until `condition` holds. Rejects where it does not within
   * `withinMs` (600,000) of the clock.
   */
  until(condition: () => unknown, options?: { withinMs?: number }): Promise<void>;
  /** The same until a promise settles. Gives what it gives. */
  waitFor<T>(promise: Promise<T>, options?: { withinMs?: number }): Promise<T>;
  /**
   * Time does not go on until this has settled. For what is done beside the program: reading a
   * file, another process. Gives it back.
   */
  track<T>(work: Promise<T>): Promise<T>;
  /** Runs what is ready without going on. */
  settle(): Promise<void>;
  /**
   * Sets the wall clock forward or back, as a user may: timers and `performance.now` do not notice.
   */
  jump(ms: number): void;
  /**
   * Puts itself in the place of `Date`, `performance.now`, `setTimeout`, `setInterval`,
   * `setImmediate` and what clears them, and tracks what WebAssembly and `crypto.subtle` do.
   * Returns what undoes it.
   */
  install(scope?: Scope): () => void;
}
