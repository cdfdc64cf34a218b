// The service worker's end of the airplane switch: while a page flies, no request gets through to the hub, and no sync event to
// the outbox, as a browser without a network would have it.

import { arrived, flightLock } from "../flight";
import { type Extendable, type FetchEvent, scope } from "./scope";

/** How long an event is held back. Chosen: browsers end one after three minutes, and what comes then needs time too. */
const heldMsMax = 120_000;
/** How long a page may take to say whether it flies. Chosen: its script is in the cache. */
const arrivalMsMax = 10_000;

/** Pages that are being loaded, by client id. One that is loaded again has let go of the lock, and may take it again. */
const arrivals = new Map<string, { readonly isOver: Promise<void>; end(): void }>();

export async function isFlying(): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === flightLock);
}

/** A page is about to be loaded: how that ends decides whether the flight goes on. */
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

/** Puts the switch below the outbox. Call it before the outbox adds its listeners. */
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

/** Resolves when nobody flies any more, or after as long as an event may be held. */
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
