// Caches the demo's own files, so that it opens without a network. Each version has its own cache.
// The hub's answers are in none.

import { expectArrival, isFlying } from "./flight";
import { type FetchEvent, scope } from "./scope";

/** From vite.config.ts: a hash of all files, and their paths. */
declare const __VERSION__: string;
declare const __FILES__: readonly string[];

const cacheName = `longhaul-demo-${__VERSION__}`;
const page = "/";
/** After this time without an answer the cached page opens. Chosen. */
const pageMsMax = 3_000;

export function installFiles(): void {
  scope.addEventListener("install", (event) => event.waitUntil(keep()));
  scope.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
  scope.addEventListener("fetch", (event) => {
    const { method, mode, url } = event.request;
    const { origin, pathname } = new URL(url);
    if (method !== "GET" || origin !== location.origin) return;
    if (mode === "navigate" && pathname === page) {
      expectArrival(event);
      event.respondWith(newest(event));
    } else if (__FILES__.includes(pathname)) event.respondWith(kept(event.request, pathname));
  });
}

async function keep(): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.addAll([page, ...__FILES__]);
  await scope.skipWaiting();
}

async function forgetOthers(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith("longhaul-demo-") && name !== cacheName) await caches.delete(name);
  }
}

/** The current page if there is a network, so that a new version shows at once. */
async function newest({ request }: FetchEvent): Promise<Response> {
  if (!(await isFlying())) {
    try {
      const answer = await fetch(request, { signal: AbortSignal.timeout(pageMsMax) });
      if (answer.ok) return answer;
    } catch {
      // There is no network: use the cached page.
    }
  }
  return kept(request, page);
}

/** The other files have a hash in their names, and never change. */
async function kept(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(cacheName);
  return (await cache.match(path)) ?? fetch(request);
}
