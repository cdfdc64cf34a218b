// `longhaul/testing`: a hub and a clock for the tests of apps.

import type { Operation, TransportName } from "./index.js";

export type { Operation, TransportName };

/**
 * Makes a hub in this process, with the core of Longhaul's own hub and without sockets. With a
 * virtual clock its tests take no time. Without one it uses the system's clock, or the fake timers
 * of a test framework.
 *
 * Rejects if its wasm can't be loaded, or if `limits` are wrong; the message names the fault.
 */
export function createTestHub(options?: TestHubOptions): Promise<TestHub>;

/** Makes a clock that only the test advances. */
export function createVirtualClock(options?: VirtualClockOptions): VirtualClock;

/**
 * Replaces `Math.random` and `crypto.getRandomValues` with seeded numbers, so that a failing test
 * fails again. The ids of clients repeat as well, so use it only in tests. Returns a function that
 * undoes this.
 */
export function seedRandom(seed: number, scope?: Scope): () => void;

export type WasmSource =
  | URL
  | string
  | BufferSource
  | WebAssembly.Module
  | Promise<BufferSource | WebAssembly.Module>;

/** The object with the globals: `globalThis`, or a frame's window. */
export type Scope = typeof globalThis;

export interface TestHubOptions {
  /** The hub's address. No request to it leaves the process. Default: `https://hub.test`. */
  url?: string;
  /** The seed of epochs, sessions, delays and faults: a whole number. Default: 1. */
  seed?: number;
  /** Default: the system's clock. */
  clock?: Clock;
  /** Default: the hub's own limits. */
  limits?: HubLimits;
  /**
   * Returns whether the hub accepts a token; `undefined` stands for a client without one. A refused
   * client gets close code 4401 or status 401. Default: the hub accepts all, as without a key.
   */
  accepts?: (token: string | undefined) => boolean;
  /** The origins whose pages the hub serves, in addition to its own. Default: all. */
  origins?: readonly string[];
  /** Where the wasm comes from. The first hub decides for all. Default: beside the module. */
  wasm?: WasmSource;
}

/** The limits that differ from the hub's defaults, with the names of `/.well-known/longhaul`. */
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
  /** The address for `connect`. */
  readonly url: string;
  /** Whether the hub runs: see `stop`. */
  readonly isUp: boolean;
  /** The present connections, over every transport. */
  readonly connections: number;
  /** How far the hub's wall clock is ahead of `clock`, ms. A test may set it. Default: 0. */
  skewMs: number;
  /** A test may set it. The hub calls it for each token from then on. */
  accepts: (token: string | undefined) => boolean;
  /** A copy of the present counters. */
  readonly metrics: HubMetrics;
  /**
   * Publishes as a back end does. `key` is the Idempotency-Key. Throws an error whose message
   * begins with the hub's code if the publication has no effect, or if the hub is stopped.
   */
  publish(topic: string, data: unknown, options?: { key?: string }): Published;
  /** Patches a document as a back end does (RFC 6902). Throws as `publish` does. */
  patch(topic: string, operations: readonly Operation[], options?: { key?: string }): Published;
  /** Merges into a document as a back end does (RFC 7396). Throws as `publish` does. */
  merge(topic: string, partial: unknown, options?: { key?: string }): Published;
  /** The entries of a topic that the hub retains, the oldest first. Throws as `publish` does. */
  entries(topic: string): readonly Entry[];
  /**
   * The value of a document; undefined while it is unwritten, where `document.value` of a client is
   * null. Throws as `publish` does.
   */
  document(name: string): unknown;
  /** Makes a device with its own line. */
  browser(options?: BrowserOptions): TestBrowser;
  /** Ends all connections silently, as when a process is killed. Requests fail from then on. */
  stop(): void;
  /**
   * Starts the hub again. Without `keepLog` it has lost everything, and its logs have new epochs.
   * Default: false.
   */
  start(options?: { keepLog?: boolean }): void;
  /** `stop` and `start`. */
  restart(options?: { keepLog?: boolean }): void;
  /**
   * Closes the connections one after the other, as a hub does before it stops, and accepts none.
   * `restart` ends that.
   */
  drain(): Promise<void>;
  /**
   * Stops the hub, and restores the globals that its devices replaced. Further calls do nothing.
   */
  close(): void;
}

export interface HubMetrics {
  /** WebSockets that have reached the hub. */
  sockets: number;
  /** Requests for event streams. */
  streams: number;
  polls: number;
  /** Posts of publications. */
  publishes: number;
  /** Requests of every kind, without WebSockets. */
  requests: number;
  /** Frames from clients over WebSockets. */
  frames: number;
}

/** The position of a publication. */
export interface Published {
  topic: string;
  epoch: string;
  seq: number;
  /** Whether the hub had it already, by its key. */
  duplicate: boolean;
}

export interface Entry {
  seq: number;
  data: unknown;
  /** By the hub's wall clock, ms since 1970. */
  publishedAtMs: number;
  /** The id of a client's publication, or the key of a back end. */
  id?: string;
  /** The kind of a document's entry. */
  change?: "patch" | "merge";
}

export interface BrowserOptions {
  /**
   * The address at which this device finds the hub. With different addresses, devices can share one
   * set of globals and still have their own lines. Default: the hub's `url`.
   */
  url?: string;
  /** The page's origin. Default: that of `url`. */
  origin?: string;
}

/** A device: the network classes with which its pages reach the hub. */
export interface TestBrowser {
  readonly url: string;
  readonly line: Line;
  readonly WebSocket: typeof WebSocket;
  readonly EventSource: typeof EventSource;
  readonly fetch: typeof fetch;
  /**
   * Replaces the classes of the scope. Requests to other addresses use the replaced ones. In Node
   * `fetch` also reads `file:` addresses, such as that of the package's wasm. Returns a function
   * that undoes this; call the last one first. `hub.close()` does the same.
   */
  install(scope?: Scope): () => void;
}

/** The network between one device and the hub. Everything applies to both directions. */
export interface Line {
  /** The delay of one direction, ms. With 0 data still arrives in a later task. Default: 0. */
  latencyMs: number;
  /**
   * The largest random addition to the delay of each piece, ms. Each connection keeps its order.
   * Default: 0.
   */
  jitterMs: number;
  /** The bandwidth, which all connections of the line share fairly. Default: Infinity. */
  bytesPerSecond: number;
  /**
   * The probability, 0 to 1, that a frame, request or answer is lost, and its connection with it.
   * Default: 0.
   */
  cutRate: number;
  /**
   * The probability, 0 to 1, that a post arrives twice, as from a proxy that retries. Default: 0.
   */
  duplicateRate: number;
  /** Whether `disconnect` is in effect. */
  readonly isCut: boolean;
  /** The open connections and requests. */
  readonly open: number;
  /**
   * Breaks the open connections, of one transport or of all. Both ends learn that at once. New
   * connections work.
   */
  cut(options?: CutOptions): void;
  /**
   * Removes the network: breaks the open connections, and new ones fail at once. The test fires the
   * browser's events `online` and `offline` itself.
   */
  disconnect(): void;
  /**
   * Drops everything silently. Open connections never end by themselves, not even after `restore`,
   * and new ones do not open.
   */
  blackHole(): void;
  /** A short outage: everything in flight waits for `restore`, and arrives then. */
  hold(): void;
  /** Ends `disconnect`, `blackHole` or `hold`. */
  restore(): void;
  /** Blocks one transport. Default: `refused`. */
  block(transport: TransportName, kind?: BlockKind): void;
  /** Ends `block`, for one transport or for all. */
  unblock(transport?: TransportName): void;
}

/**
 * How a transport is blocked.
 * - `refused`: it fails after a round trip.
 * - `silent`: nothing answers.
 * - `csp`: the page's policy forbids it. A WebSocket then fires `error` and no `close`.
 */
export type BlockKind = "refused" | "silent" | "csp";

export interface CutOptions {
  /** Default: all transports. */
  transport?: TransportName;
}

/** The clock of a hub and its lines. */
export interface Clock {
  /** The wall clock, ms since 1970. */
  now(): number;
  /** The monotonic clock, ms. */
  elapsed(): number;
  setTimeout(task: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface VirtualClockOptions {
  /** The start of the wall clock, ms since 1970. Default: 2024-01-01. */
  nowMs?: number;
}

export interface VirtualClock extends Clock {
  /** The number of timers that wait. */
  readonly timers: number;
  /** The time until the next one, ms; undefined without timers. */
  readonly nextMs: number | undefined;
  /**
   * Advances the time. Runs the due timers in order, and after each one everything that is ready
   * (promises, `setImmediate`). Calls wait for each other. Rejects with an exception of a timer.
   */
  advance(ms: number): Promise<void>;
  /**
   * Advances from timer to timer until `condition` holds. Rejects if it does not hold within
   * `withinMs` of this clock. Default: 600,000.
   */
  until(condition: () => unknown, options?: { withinMs?: number }): Promise<void>;
  /** The same until a promise settles. Settles with its outcome. */
  waitFor<T>(promise: Promise<T>, options?: { withinMs?: number }): Promise<T>;
  /**
   * Stops the time until a promise has settled, and returns that promise. Use it for work outside
   * of the event loop: reading a file, another process.
   */
  track<T>(work: Promise<T>): Promise<T>;
  /** Runs everything that is ready, at the present time. */
  settle(): Promise<void>;
  /** Moves only the wall clock, forward or back, as a user may. */
  jump(ms: number): void;
  /**
   * Replaces `Date`, `performance.now`, `setTimeout`, `setInterval`, `setImmediate` and the
   * functions that clear them. Tracks the work of WebAssembly and `crypto.subtle`. Returns a
   * function that undoes this.
   */
  install(scope?: Scope): () => void;
}
