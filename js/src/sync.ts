// Background Sync, from the page's side: has the service worker flush what this page may leave behind.

/** The tag that pages register and service workers listen to. */
export const defaultTag = "longhaul-outbox";

/** What a page asks a service worker that has no Background Sync. */
const flushRequest = "longhaul:flush";

type Registration = ServiceWorkerRegistration & {
  readonly sync?: { register(tag: string): Promise<void> };
};

/** What becomes of rows when the page is closed. */
export type Deferred = "background-sync" | "next-visit";

export class BackgroundSync {
  #registration: Registration | undefined;
  #isAsked = false;
  #isDenied = false;

  constructor() {
    // Resolves once the page has an active service worker, which may be never.
    const container = globalThis.navigator?.serviceWorker;
    container?.ready.then(
      (registration) => {
        this.#registration = registration;
      },
      () => {},
    );
  }

  get deferred(): Deferred {
    return this.#registration?.sync !== undefined && !this.#isDenied ? "background-sync" : "next-visit";
  }

  /** Rows wait that this page may not be able to send. Once is enough until `settled`. */
  ask(): void {
    if (this.#isAsked || this.#registration === undefined) return;
    this.#isAsked = true;
    const { sync, active } = this.#registration;
    if (sync === undefined) active?.postMessage(flushRequest);
    else {
      sync.register(defaultTag).catch(() => {
        // The user does not allow it: the next visit sends.
        this.#isDenied = true;
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
