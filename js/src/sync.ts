// Background Sync, from the page's side: has the service worker flush what this page may leave behind.

import { isDenied, serviceWorker } from "./browser.js";

/** The tag that pages register and service workers listen to. */
export const defaultTag = "longhaul-outbox";

/** What a page asks a service worker that has no Background Sync. */
const flushRequest = "longhaul:flush";

type Registration = ServiceWorkerRegistration & {
  readonly sync?: { register(tag: string): Promise<void> };
};

/** What becomes of rows when the page is closed. */
export type Deferred = "background-sync" | "next-visit";

/**
 * The page's service worker, sought once a page: a promise that may never settle would keep every client that waits for it.
 */
let registration: Registration | undefined;
let isSought = false;
/** It has Background Sync, and the user has nothing against it. */
let isAllowed = false;

async function seek(): Promise<void> {
  if (isSought) return;
  isSought = true;
  const there: Registration | undefined = await serviceWorker();
  isAllowed = there?.sync !== undefined && !(await isDenied("background-sync"));
  registration = there;
}

export class BackgroundSync {
  #isAsked = false;

  constructor() {
    void seek();
  }

  get deferred(): Deferred {
    return isAllowed ? "background-sync" : "next-visit";
  }

  /** Rows wait that this page may not be able to send. Once is enough until `settled`. */
  ask(): void {
    if (this.#isAsked || registration === undefined) return;
    this.#isAsked = true;
    const { sync, active } = registration;
    if (!isAllowed) active?.postMessage(flushRequest);
    else {
      sync?.register(defaultTag).catch(() => {
        isAllowed = false;
        active?.postMessage(flushRequest);
      });
    }
  }

  /** Nothing waits any more. */
  settled(): void {
    this.#isAsked = false;
  }
}

export function isFlushRequest(data: unknown): boolean {
  return data === flushRequest;
}
