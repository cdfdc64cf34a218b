// Background Sync, from the page's side: has the service worker flush what this page may leave behind.

import { isDenied, serviceWorker } from "./browser.js";

/** The tag that pages register and service workers listen to. */
export const defaultTag = "longhaul-outbox";

/** What a page asks a service worker that has no Background Sync. */
const flushRequest = "longhaul:flush";

/** What a page asks before it promises anything: whether the worker flushes this database. */
const databaseRequest = "longhaul:flushes";

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
/** Databases of this page, and whether the worker has said that it flushes them. */
const databases = new Map<string, boolean>();

async function seek(): Promise<void> {
  if (isSought) return;
  isSought = true;
  const there: Registration | undefined = await serviceWorker();
  isAllowed = there?.sync !== undefined && !(await isDenied("background-sync"));
  registration = there;
  for (const database of databases.keys()) confirm(database);
}

/** A worker that has no outbox says nothing. Where there is no worker no port is opened: it would keep a process of Node alive. */
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

/** Answers a page that asks whether this worker flushes its database. */
export function confirmDatabase({ data, ports }: MessageEvent, database: string): void {
  if (Array.isArray(data) && data[0] === databaseRequest) ports[0]?.postMessage(data[1] === database);
}
