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
  /** There is one, and the user has nothing against it. */
  #isAllowed = false;

  constructor() {
    // Resolves once the page has an active service worker, which may be never.
    const container = globalThis.navigator?.serviceWorker as { ready: Promise<Registration> } | undefined;
    container?.ready.then(
      async (registration) => {
        this.#isAllowed = registration.sync !== undefined && (await isAllowed());
        this.#registration = registration;
      },
      () => {},
    );
  }

  get deferred(): Deferred {
    return this.#isAllowed ? "background-sync" : "next-visit";
  }

  /** Rows wait that this page may not be able to send. Once is enough until `settled`. */
  ask(): void {
    if (this.#isAsked || this.#registration === undefined) return;
    this.#isAsked = true;
    const { sync, active } = this.#registration;
    if (!this.#isAllowed) active?.postMessage(flushRequest);
    else {
      sync?.register(defaultTag).catch(() => {
        this.#isAllowed = false;
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

async function isAllowed(): Promise<boolean> {
  try {
    const { state } = await navigator.permissions.query({ name: "background-sync" as PermissionName });
    return state !== "denied";
  } catch {
    // A browser that can't be asked: the registration tells.
    return true;
  }
}
