// What TypeScript's library of pages does not know of service workers, as far as this one needs it.

export interface Extendable extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

export interface FetchEvent extends Extendable {
  readonly request: Request;
  /** The page that a navigation makes. */
  readonly resultingClientId: string;
  respondWith(answer: Promise<Response>): void;
}

interface Events {
  install: Extendable;
  activate: Extendable;
  fetch: FetchEvent;
  message: Extendable & MessageEvent;
}

export interface Scope {
  addEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): void;
  skipWaiting(): Promise<void>;
}

export const scope = globalThis as unknown as Scope;
