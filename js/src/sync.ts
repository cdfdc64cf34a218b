// Background Sync, on the page's side: asks the service worker to send the rows of a closed page.

import { isDenied, serviceWorker } from "./browser.js";

/** Pages register this tag, and service workers listen to it. */
export const defaultTag = "longhaul-outbox";

/** A page's message to a service worker without Background Sync. */
const flushRequest = "longhaul:flush";

/** A page's question whether the worker flushes its database. */
const databaseRequest = "longhaul:flushes";

type Registration = ServiceWorkerRegistration & {
  readonly sync?: { register(tag: string): Promise<void> };
};

/** Who sends the rows of a closed page. */
export type Deferred = "background-sync" | "next-visit";

/**
 * The page's service worker. The page waits for it once, because a promise that never settles would
 * keep every client that waits for it.
 */
let registration: Registration | undefined;
let isSought = false;
/** Whether it has Background Sync, and the user has not denied that. */
let isAllowed = false;
/** The databases of this page, and whether the worker has confirmed that it flushes them. */
const databases = new Map<string, boolean>();

async function seek(): Promise<void> {
  if (isSought) return;
  isSought = true;
  const there: Registration | undefined = await serviceWorker();
  isAllowed = there?.sync !== undefined && !(await isDenied("background-sync"));
  registration = there;
  for (const database of databases.keys()) confirm(database);
}

/**
 * Asks the worker about a database. A worker without an outbox does not answer. Without a worker
 * this opens no port, which would keep a Node process alive.
 */
function confirm(database: string): void {
  const active = registration?.active;
  if (!active) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    databases.set(database, data === true);
    port1.close();
  };
  active.postMessage([databaseRequest, database], [port2]);
}

export class BackgroundSync {
  #isAsked = false;
  readonly #database: string | undefined;

  /** Without a `database` there is nothing to flush. */
  constructor(database: string | undefined) {
    this.#database = database;
    void seek();
    if (database === undefined || databases.has(database)) return;
    databases.set(database, false);
    confirm(database);
  }

  get deferred(): Deferred {
    const isConfirmed = this.#database !== undefined && databases.get(this.#database) === true;
    return isAllowed && isConfirmed ? "background-sync" : "next-visit";
  }

  /** Asks for help with rows that this page may not be able to send. Asks once until `settled`. */
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

  /** No row waits any more. */
  settled(): void {
    this.#isAsked = false;
  }
}

export function isFlushRequest(data: unknown): boolean {
  return data === flushRequest;
}

/** Answers a page's question whether this worker flushes its database. */
export function confirmDatabase({ data, ports }: MessageEvent, database: string): void {
  if (Array.isArray(data) && data[0] === databaseRequest) ports[0]?.postMessage(data[1] === database);
}
