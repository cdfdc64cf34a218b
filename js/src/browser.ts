// The browser's APIs, each in one place. An API may be missing (Node, workers, old browsers), and
// access may throw (sandboxed frames, forbidden cookies). These functions then return a degraded
// answer, and none throws; only `withLock` rejects.

/** The result of `access`; undefined if the browser lacks the API or forbids it. */
export function found<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}

/** Whether the browser has a class or function of this name. */
export function isThere(name: "WebSocket" | "EventSource" | "fetch" | "AbortController"): boolean {
  return found(() => typeof globalThis[name]) === "function";
}

type TextStorage = "localStorage" | "sessionStorage";

/** The text under a key; undefined if there is none, or no storage. */
export function keptText(where: TextStorage, key: string): string | undefined {
  return found(() => globalThis[where].getItem(key)) ?? undefined;
}

/** Stores a text, if that is allowed and there is room. */
export function keepText(where: TextStorage, key: string, text: string): void {
  found(() => globalThis[where].setItem(key, text));
}

/** Requests a Web Lock with the browser's own function. Rejects if there are no locks. */
export async function withLock<T>(
  name: string,
  options: LockOptions,
  act: (lock: Lock | null) => Promise<T> | T,
): Promise<T> {
  return navigator.locks.request(name, options, act) as Promise<T>;
}

/** A channel to the origin's other tabs and workers; undefined if there are no channels. */
export function openChannel(name: string): BroadcastChannel | undefined {
  return found(() => new BroadcastChannel(name));
}

/** Random bytes. Without the browser's source they are weak, and a producer can be guessed. */
export function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  return found(() => crypto.getRandomValues(bytes)) ?? bytes.map(() => Math.floor(Math.random() * 256));
}

/** The monotonic clock, ms; the wall clock if there is none. */
export function nowMs(): number {
  return found(() => performance.now()) ?? Date.now();
}

/** The browser's timing entries of the page's requests. */
export function requestsMade(): readonly PerformanceEntry[] {
  return found(() => performance.getEntriesByType("resource")) ?? [];
}

/** Whether the browser reports a network. */
export function isOnline(): boolean {
  return found(() => navigator.onLine) ?? true;
}

/** The page's document; undefined in a worker and in Node. */
export function page(): Document | undefined {
  return found(() => globalThis.document);
}

/** The address of the page or worker; undefined in Node. */
export function pageLocation(): Location | undefined {
  return found(() => globalThis.location);
}

/**
 * Whether this is a server, which renders pages: it is neither a page nor a worker, and no test has
 * installed a network (js/testing/browser.ts).
 */
export function isServer(): boolean {
  const scope = globalThis as { document?: unknown; importScripts?: unknown; longhaulNetwork?: unknown };
  return (
    found(() => scope.document ?? scope.importScripts) === undefined && scope.longhaulNetwork === undefined
  );
}

/** Listens to an event of the page or worker. Returns a function that stops the listener. */
export function listen(type: string, listener: (event: Event) => void): () => void {
  found(() => globalThis.addEventListener(type, listener));
  return () => {
    found(() => globalThis.removeEventListener(type, listener));
  };
}

/** The page's service worker, once it has one; undefined if the browser has none. */
export async function serviceWorker(): Promise<ServiceWorkerRegistration | undefined> {
  try {
    return await navigator.serviceWorker.ready;
  } catch {
    return undefined;
  }
}

/** Whether the user has denied a permission, as far as the browser reports it. */
export async function isDenied(name: string): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: name as PermissionName })).state === "denied";
  } catch {
    return false;
  }
}

/** The part of the `process` of Node, Deno and Bun that browsers lack. */
interface Process {
  getBuiltinModule?(name: "node:fs"): { readFileSync(url: URL): Uint8Array<ArrayBuffer> };
}

/** The bytes of a file, which `fetch` can't read; undefined for other addresses and in browsers. */
export function readFile(url: string | URL): Uint8Array<ArrayBuffer> | undefined {
  const address = found(() => new URL(url));
  if (address?.protocol !== "file:") return undefined;
  const { process } = globalThis as { process?: Process };
  return process?.getBuiltinModule?.("node:fs").readFileSync(address);
}

/** Asks the browser to keep the origin's storage. Returns its answer. */
export async function persist(): Promise<boolean> {
  try {
    return await navigator.storage.persist();
  } catch {
    return false;
  }
}
