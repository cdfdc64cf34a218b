// `longhaul/react`: hooks for React 18 and 19.
//
// All of them are safe in StrictMode, in concurrent rendering, in hot reload and on a server. On a
// server, and until the provider's first effect, they return what they return before the first
// connection.

import type { ReactElement, ReactNode } from "react";
import type {
  Ack,
  Client,
  DeadLetter,
  Gap,
  LonghaulError,
  Message,
  Operation,
  Options,
  OutboxRow,
  PublishOptions,
  Receipt,
  Status,
  SubscribeOptions,
} from "./index.js";

export type ProviderProps = { children?: ReactNode } & (
  | {
      /** The hub's address, or several in order of preference, as for `connect`. */
      url: string | URL | readonly string[];
      /** Read once for each `url`. For other options, give the provider another `key`. */
      options?: Options;
      client?: undefined;
    }
  | {
      /** A client that the app has made. The provider does not close it. */
      client: Client;
      url?: undefined;
      options?: undefined;
    }
);

/**
 * Owns a client: connects when it is mounted, and closes the client when it is unmounted or when
 * `url` changes. In development, StrictMode mounts twice, so the first client closes at once.
 */
export function LonghaulProvider(props: ProviderProps): ReactElement;

/** The provider's client; undefined until the provider is mounted. Throws without a provider. */
export function useClient(): Client | undefined;

/** The client's status. */
export function useStatus(): Status;

export interface TopicState<T> {
  /** The last messages, in order. */
  messages: readonly Message<T>[];
  /** The last gaps, in order: what is missing among the messages. */
  gaps: readonly Gap[];
}

/**
 * Subscribes to a topic while the component is mounted. The list begins anew when the client,
 * `name` or `from` changes.
 */
export function useTopic<T = unknown>(
  name: string,
  options?: {
    /** Where to begin: see `SubscribeOptions`. Default: `live`. */
    from?: SubscribeOptions["from"];
    /** See `SubscribeOptions`. Default: false. */
    passive?: boolean;
    /** The most messages, and the most gaps, in the lists: 1 or more. Default: 100. */
    keep?: number;
    /** Called for each gap. It may be a new function in each render. Default: none. */
    onGap?: (gap: Gap) => void;
  },
): TopicState<T>;

export interface DocumentResult<S> {
  /** The selected part of the value; undefined before the first snapshot. */
  value: S;
  /**
   * The number of own changes that wait for the hub. Only components that read it render when it
   * changes.
   */
  readonly pending: number;
  /** As `Document.merge`. The same function until the client or the name changes. */
  merge(partial: unknown, options?: PublishOptions): Promise<Receipt>;
  /** As `Document.patch`. The same function until the client or the name changes. */
  patch(operations: readonly Operation[], options?: PublishOptions): Promise<Receipt>;
}

/** Follows a document while the component is mounted, and renders when the value changes. */
export function useDocument<T = unknown>(name: string): DocumentResult<T | null | undefined>;
/** Follows a document, and renders only when the part at a JSON Pointer changes. */
export function useDocument(name: string, options: { at: string }): DocumentResult<unknown>;
/**
 * Follows a document, and renders only when the result of `select` changes. `select` returns a part
 * of the value, or a primitive: an object that it makes anew counts as a change.
 */
export function useDocument<T, S>(
  name: string,
  options: { select: (value: T | null | undefined) => S },
): DocumentResult<S>;

export type PublishState =
  | { state: "idle" }
  /** The call has no receipt yet. */
  | { state: "saving" }
  /** The outbox has it. */
  | { state: "queued"; receipt: Receipt }
  | { state: "acked"; receipt: Receipt; ack: Ack }
  /** The call was rejected, or the publication became a dead letter. */
  | { state: "failed"; error: LonghaulError };

/**
 * Returns a function that publishes to a topic, and what became of its last call. The function
 * resolves and rejects as `Topic.publish`, and stays the same until the client or the name changes.
 */
export function usePublish<T = unknown>(
  name: string,
): [publish: (data: T, options?: PublishOptions) => Promise<Receipt>, last: PublishState];

/** The outbox: its size, and its rows, which are read after each change. */
export function useOutbox(): { size: number; rows: readonly OutboxRow[] };

/** The dead letters, and what the user may do about one. */
export function useDeadLetters(): {
  deadLetters: readonly DeadLetter[];
  retry(id: string): Promise<void>;
  discard(id: string): Promise<void>;
};
