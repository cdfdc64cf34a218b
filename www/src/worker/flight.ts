// The service worker's part of the airplane switch: while a page is in flight mode, no request
// reaches the hub, and no sync event reaches the outbox, as in a browser without a network.

import { arrived, flightLock } from "../flight";
import { type Extendable, type FetchEvent, scope } from "./scope";

/**
 * How long it holds an event. Chosen: browsers end one after three minutes, and the outbox needs
 * time.
 */
const heldMsMax = 120_000;
/** How long a page may take to report its flight mode. Chosen: its script is in the cache. */
const arrivalMsMax = 10_000;

/**
 * The pages that load, by client id. A page that reloads has released the lock, and may take it
 * again.
 */
const arrivals = new Map<string, { readonly isOver: Promise<void>; end(): void }>();

export async function isFlying(): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === flightLock);
}

/** A page is about to load, and may continue its flight mode. */
export function expectArrival({ resultingClientId: id }: FetchEvent): void {
  let end = (): void => {};
  const isOver = new Promise<void>((resolve) => {
    end = resolve;
    setTimeout(resolve, arrivalMsMax);
  }).then(() => {
    arrivals.delete(id);
  });
  arrivals.set(id, { isOver, end });
}

/** Installs the switch below the outbox. Call it before the outbox adds its listeners. */
export function installFlight(): void {
  const nativeFetch = globalThis.fetch.bind(globalThis);
  globalThis.fetch = async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input, location.href);
    const isForHub = pathname.startsWith("/v1/");
    if (isForHub && (arrivals.size > 0 || (await isFlying()))) throw new TypeError("Failed to fetch");
    return nativeFetch(input, init);
  };
  scope.addEventListener("message", ({ data, source }) => {
    if (data === arrived && source !== null && "id" in source) arrivals.get(String(source.id))?.end();
  });
  const native = globalThis.addEventListener.bind(globalThis);
  const add = (type: string, listener: EventListener): void => {
    const held = (event: Event): void => {
      (event as Extendable).waitUntil(landing().then(() => listener(event)));
    };
    native(type, type === "sync" || type === "message" ? held : listener);
  };
  Object.assign(globalThis, { addEventListener: add });
}

/** Resolves when no page is in flight mode, or after the longest hold of an event. */
async function landing(): Promise<void> {
  const signal = AbortSignal.timeout(heldMsMax);
  do {
    for (const { isOver } of [...arrivals.values()]) await isOver;
    try {
      await navigator.locks.request(flightLock, { mode: "shared", signal }, () => {});
    } catch {
      return;
    }
  } while (arrivals.size > 0);
}
