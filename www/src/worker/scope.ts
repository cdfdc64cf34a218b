// Types of service workers that TypeScript's library of pages lacks.

export interface Extendable extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

export interface FetchEvent extends Extendable {
  readonly request: Request;
  /** The client id of the page that a navigation opens. */
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
