// IndexedDB of one profile: fake-indexeddb on the virtual clock, with an owning page for every
// connection. When a page dies, its transactions abort, its connections close and it receives no
// more events. The profile arms the faults.

import {
  IDBDatabase as FakeDatabase,
  IDBFactory as FakeFactory,
  IDBObjectStore as FakeObjectStore,
  IDBOpenDBRequest as FakeOpenRequest,
  IDBTransaction as FakeTransaction,
} from "fake-indexeddb";
import type { Page } from "./page.js";
import type { World } from "./world.js";

/** Private members of fake-indexeddb that this file needs. */
interface Transaction {
  db: Connection;
  mode: string;
  _state: "active" | "inactive" | "committing" | "finished";
  _abort(errorName: string | null): void;
}
interface Connection {
  _rawDatabase: { transactions: Transaction[]; connections: Connection[]; name: string };
  _closed: boolean;
  _closePending: boolean;
  close(): void;
}
interface Target {
  db?: Connection;
  transaction?: Transaction | null;
}

/** The faults that a profile's next openings and transactions meet. */
export interface StorageFaults {
  /** The disk is full: the transaction of every write aborts. */
  isFull: boolean;
  /** How many of the next write transactions abort at their commit. */
  abortsAtCommit: number;
  /** Openings get no event until the fault is over. */
  hangsOpening: boolean;
  /** Openings fail. */
  failsOpening: boolean;
}

/** Events of an opening that bring a connection. */
const opened = ["upgradeneeded", "success"];

const owners = new WeakMap<object, Page>();
const faultsOf = new WeakMap<object, StorageFaults>();

function ownerOf(target: object): Page | undefined {
  const { db, transaction } = target as Target;
  return owners.get(target) ?? owners.get(transaction?.db ?? db ?? target);
}

/** Runs once in a process: drops the events of dead pages, and makes the armed faults strike. */
function patch(): void {
  const target = Object.getPrototypeOf(FakeDatabase.prototype) as { dispatchEvent(event: Event): boolean };
  const { dispatchEvent } = target;
  target.dispatchEvent = function (this: object, event: Event) {
    const owner = ownerOf(this);
    if (owner === undefined || !owner.isDead) return dispatchEvent.call(this, event);
    for (const name of ["onsuccess", "onerror", "onupgradeneeded", "onversionchange", "onclose", "onblocked"])
      if (name in this) (this as Record<string, unknown>)[name] = null;
    if (this instanceof FakeTransaction) {
      (this as { oncomplete: unknown }).oncomplete = null;
      (this as { onabort: unknown }).onabort = null;
    } else if ("listeners" in this) this.listeners = [];
    if (this instanceof FakeOpenRequest && opened.includes(event.type)) {
      // The browser closes a connection whose page is gone, and rolls its upgrade back.
      (this as unknown as { result?: Connection }).result?.close();
      if (event.type === "upgradeneeded") throw new DOMException("the page is gone", "AbortError");
    }
    return dispatchEvent.call(this, event);
  };
  const transactions = FakeTransaction.prototype as unknown as Transaction & {
    commit(): void;
  };
  const { commit } = transactions;
  transactions.commit = function (this: Transaction) {
    const faults = faultsOf.get(this.db);
    const isStruck = faults !== undefined && this.mode === "readwrite" && faults.abortsAtCommit > 0;
    commit.call(this);
    if (!isStruck) return;
    faults.abortsAtCommit -= 1;
    owners.get(this.db)?.met("abort at commit");
    this._abort("UnknownError");
  };
  const stores = FakeObjectStore.prototype as unknown as Record<
    "put" | "add",
    (...args: unknown[]) => object
  >;
  for (const name of ["put", "add"] as const) {
    const write = stores[name];
    stores[name] = function (this: { transaction: Transaction }, ...args: unknown[]) {
      const faults = faultsOf.get(this.transaction.db);
      if (!faults?.isFull || this.transaction.mode !== "readwrite") return write.apply(this, args);
      owners.get(this.transaction.db)?.met("quota");
      const request = write.apply(this, args);
      const { transaction } = this;
      // As in Chromium: the request succeeds, and the commit fails.
      setImmediate(() => {
        if (transaction._state !== "finished") transaction._abort("QuotaExceededError");
      });
      return request;
    };
  }
}
patch();

export class Databases {
  readonly faults: StorageFaults = {
    isFull: false,
    abortsAtCommit: 0,
    hangsOpening: false,
    failsOpening: false,
  };
  readonly #world: World;
  #factory = new FakeFactory();
  readonly #connections = new Set<Connection>();
  /** Fails the openings that hang. */
  #hanging: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** The page's `indexedDB`. */
  of(page: Page): IDBFactory {
    const open = (name: string, version?: number): IDBOpenDBRequest => this.#open(page, name, version);
    const facade = Object.create(FakeFactory.prototype) as IDBFactory;
    return Object.assign(facade, {
      open,
      deleteDatabase: (name: string) => this.#factory.deleteDatabase(name),
      databases: () => this.#factory.databases(),
      cmp: (a: unknown, b: unknown) => this.#factory.cmp(a, b),
    });
  }

  #open(page: Page, name: string, version?: number): IDBOpenDBRequest {
    const { failsOpening, hangsOpening } = this.faults;
    if (failsOpening || hangsOpening) {
      page.met(failsOpening ? "open fails" : "open hangs");
      const request = new FakeOpenRequest() as unknown as IDBOpenDBRequest;
      owners.set(request, page);
      const fail = (): void => {
        const failed = request as unknown as Record<string, unknown>;
        failed["readyState"] = "done";
        failed["error"] = new DOMException("the storage failed", "UnknownError");
        failed["result"] = undefined;
        request.dispatchEvent(fakeEvent("error"));
      };
      if (failsOpening) this.#world.storageStep(fail);
      else this.#hanging.push(fail);
      return request;
    }
    const request = (version === undefined
      ? this.#factory.open(name)
      : this.#factory.open(name, version)) as unknown as IDBOpenDBRequest;
    owners.set(request, page);
    // This listener is the first, so no transaction can exist before it runs.
    const own = (): void => {
      const connection = request.result as unknown as Connection | undefined;
      if (connection === undefined || this.#connections.has(connection)) return;
      owners.set(connection, page);
      faultsOf.set(connection, this.faults);
      this.#connections.add(connection);
      const { close } = connection;
      connection.close = () => {
        this.#connections.delete(connection);
        close.call(connection);
      };
    };
    request.addEventListener("upgradeneeded", own);
    request.addEventListener("success", own);
    return request;
  }

  /** Fails all hanging openings. The package has stopped waiting for them long before. */
  release(): void {
    this.faults.hangsOpening = false;
    for (const fail of this.#hanging.splice(0)) this.#world.storageStep(fail);
  }

  /** Ends the connections of a dead page. Its commits may still complete; all others abort. */
  drop(page: Page): void {
    for (const connection of this.#connections) {
      if (owners.get(connection) !== page) continue;
      for (const transaction of [...connection._rawDatabase.transactions]) {
        if (transaction.db !== connection || transaction._state === "finished") continue;
        const survives = transaction._state === "committing" && this.#world.random() < 0.5;
        if (!survives) transaction._abort("AbortError");
      }
      connection.close();
    }
  }

  /** Makes a database of the app itself, under the outbox's name. */
  async makeOwn(name: string): Promise<void> {
    const request = this.#factory.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("app").put("kept", "key");
    await this.#isOver(request);
    request.result.close();
  }

  /** Whether the app's own database is unchanged. */
  async hasOwn(name: string): Promise<boolean> {
    const request = this.#factory.open(name);
    await this.#isOver(request);
    const database = request.result;
    const names = [...database.objectStoreNames].join();
    const reading = names === "app" ? database.transaction("app").objectStore("app").get("key") : undefined;
    if (reading !== undefined) await this.#isOver(reading);
    database.close();
    return reading?.result === "kept";
  }

  #isOver(request: { onsuccess: unknown; onerror: unknown }): Promise<void> {
    return new Promise((resolve) => {
      request.onsuccess = resolve;
      request.onerror = resolve;
    });
  }

  /** Deletes a database as a script of the app does. */
  remove(name: string): void {
    this.#factory.deleteDatabase(name);
  }

  /** Removes all databases of the origin, as the browser does, and closes open connections. */
  clear(): void {
    for (const connection of this.#connections) {
      for (const transaction of [...connection._rawDatabase.transactions]) {
        if (transaction.db !== connection || transaction._state === "finished") continue;
        // As in Chromium: a transaction that was about to complete gets no event.
        if (transaction._state === "committing") Object.assign(transaction, { dispatchEvent: () => true });
        else transaction._abort("AbortError");
      }
      Object.getPrototypeOf(connection).close.call(connection);
      const target = connection as unknown as EventTarget;
      this.#world.storageStep(() => {
        // A page that has closed the connection meanwhile gets no event.
        if (this.#connections.delete(connection)) target.dispatchEvent(fakeEvent("close"));
      });
    }
    this.#factory = new FakeFactory();
  }

  openOf(page: Page): number {
    return [...this.#connections].filter((each) => owners.get(each) === page && !each._closePending).length;
  }
}

/** fake-indexeddb has events of its own, which it does not export. */
function fakeEvent(type: string): Event {
  return {
    type,
    bubbles: false,
    cancelable: false,
    initialized: true,
    dispatched: false,
    eventPath: [],
    propagationStopped: false,
    immediatePropagationStopped: false,
    canceled: false,
    NONE: 0,
    CAPTURING_PHASE: 1,
    AT_TARGET: 2,
    BUBBLING_PHASE: 3,
    eventPhase: 0,
    stopPropagation() {},
    preventDefault() {},
  } as unknown as Event;
}
