// What the browser offers, each API in one place. One may be missing (Node, workers, old browsers), and a look at one may
// throw (sandboxed frames, forbidden cookies). Each function gives a degraded answer then; none of them throws.

/** What `look` finds; undefined where the browser lacks it or forbids it. */
export function found<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Whether a class or a function of this name is there. */
export function isThere(name: "WebSocket" | "EventSource" | "fetch" | "AbortController"): boolean {
  return found(() => typeof globalThis[name]) === "function";
}

type TextStorage = "localStorage" | "sessionStorage";

/** What the origin or the tab keeps under a key; undefined: nothing, or nothing is kept here. */
export function keptText(where: TextStorage, key: string): string | undefined {
  return found(() => globalThis[where].getItem(key)) ?? undefined;
}

/** Keeps a text where that is allowed and there is room. */
export function keepText(where: TextStorage, key: string, text: string): void {
  found(() => globalThis[where].setItem(key, text));
}

/** A Web Lock, as the browser's own function grants it. Rejects where there are none. */
export async function withLock<T>(
  name: string,
  options: LockOptions,
  act: (lock: Lock | null) => Promise<T> | T,
): Promise<T> {
  return navigator.locks.request(name, options, act) as Promise<T>;
}

/** A channel to the origin's other tabs and workers; undefined where they can't be reached. */
export function openChannel(name: string): BroadcastChannel | undefined {
  return found(() => new BroadcastChannel(name));
}

/** Random bytes: of the browser's source, or weak ones where that is missing: then an outbox's name can be guessed. */
export function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  return found(() => crypto.getRandomValues(bytes)) ?? bytes.map(() => Math.floor(Math.random() * 256));
}

/** A clock that nobody sets, ms; the wall clock where there is none. */
export function nowMs(): number {
  return found(() => performance.now()) ?? Date.now();
}

/** The browser's records of the page's requests; none where it keeps none. */
export function requestsMade(): readonly PerformanceEntry[] {
  return found(() => performance.getEntriesByType("resource")) ?? [];
}

/** Whether the browser believes that there is a network. */
export function isOnline(): boolean {
  return found(() => navigator.onLine) ?? true;
}

/** The page; undefined in a worker and in Node. */
export function page(): Document | undefined {
  return found(() => globalThis.document);
}

/** Where the page is; undefined where there is none. */
export function place(): Location | undefined {
  return found(() => globalThis.location);
}

/** Hears an event of the page or the worker. Returns how to stop. */
export function listen(type: string, listener: (event: Event) => void): () => void {
  found(() => globalThis.addEventListener(type, listener));
  return () => {
    found(() => globalThis.removeEventListener(type, listener));
  };
}

/** The page's service worker, once there is one; never where there are none. */
export async function serviceWorker(): Promise<ServiceWorkerRegistration | undefined> {
  try {
    return await navigator.serviceWorker.ready;
  } catch {
    return undefined;
  }
}

/** Whether the user has denied it. A browser that can't be asked has not. */
export async function isDenied(name: string): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: name as PermissionName })).state === "denied";
  } catch {
    return false;
  }
}

/** Asks the browser to keep what the origin stores. Whether it will. */
export async function persist(): Promise<boolean> {
  try {
    return await navigator.storage.persist();
  } catch {
    return false;
  }
}
