// The outbox in a service worker: flushes what tabs have left behind. Listeners are added at once, as browsers want it; the
// wasm is loaded when there is something to send.

import type { Options } from "./api.js";
import { Endpoint } from "./endpoint.js";
import { Engine } from "./engine.js";
import { LonghaulError } from "./errors.js";
import { instantiate } from "./instance.js";
import { databaseName } from "./instruct.js";
import { load } from "./load.js";
import { type Partition, partitionOptions } from "./rows.js";
import { confirmDatabase, defaultTag, isFlushRequest } from "./sync.js";
import { bindings } from "./wasm/longhaul_bindings.js";

interface InstallOptions {
  name?: string;
  wasm?: Options["wasm"];
}

/** What TypeScript's library of pages does not know of workers. */
interface Extendable extends Event {
  waitUntil(promise: Promise<unknown>): void;
}
interface SyncEvent extends Extendable {
  readonly tag: string;
  readonly lastChance: boolean;
}
interface WorkerScope {
  addEventListener(type: "sync", listener: (event: SyncEvent) => void): void;
  addEventListener(type: "message", listener: (event: Extendable & MessageEvent) => void): void;
  readonly registration: ServiceWorkerRegistration & {
    readonly sync?: { register(tag: string): Promise<void> };
  };
}

/** See service-worker.api.d.ts. */
export function installOutbox({ name = databaseName, wasm }: InstallOptions = {}): void {
  const scope = globalThis as unknown as WorkerScope;
  let flushing: Promise<void> | undefined;
  /** One at a time: whoever asks meanwhile waits for the same. */
  const flush = (): Promise<void> => {
    flushing ??= flushAll(name, wasm).finally(() => {
      flushing = undefined;
    });
    return flushing;
  };
  scope.addEventListener("sync", (event) => {
    if (event.tag !== defaultTag) return;
    event.waitUntil(
      flush().catch(async (error: unknown) => {
        // The browser gives up after this: another registration begins to count anew.
        if (event.lastChance) await scope.registration.sync?.register(defaultTag);
        throw error;
      }),
    );
  });
  scope.addEventListener("message", (event) => {
    confirmDatabase(event, name);
    // What is left over waits for the next occasion.
    if (isFlushRequest(event.data)) event.waitUntil(flush().catch(() => {}));
  });
}

/** Rejects while rows wait. Partitions wait for themselves alone. */
async function flushAll(database: string, wasm: Options["wasm"]): Promise<void> {
  const module = await load(wasm);
  const waiting = await partitionsOf(module, database);
  const endpoints = new Map<string, Endpoint>();
  const flushes = waiting.map((partition) => {
    const [, , , , url] = partition;
    if (url !== undefined && !endpoints.has(url)) endpoints.set(url, new Endpoint(url));
    return flushOne(module, database, partition, endpoints.get(url ?? ""));
  });
  for (const result of await Promise.allSettled(flushes)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Those that have rows. */
async function partitionsOf(module: WebAssembly.Module, database: string): Promise<readonly Partition[]> {
  const made = bindings();
  return new Promise((resolve, reject) => {
    const find = async (): Promise<readonly Partition[]> => {
      const end = await instantiate(module, made, reject);
      try {
        const found = await made.Core.partitions(database);
        if (found !== undefined) return found;
        throw new LonghaulError("storage_unavailable", "the outbox's storage can't be read", {
          hint: "the page may have brought a newer version of it: let the worker be updated",
        });
      } finally {
        end();
      }
    };
    find().then(resolve, reject);
  });
}

async function flushOne(
  module: WebAssembly.Module,
  database: string,
  partition: Partition,
  endpoint: Endpoint | undefined,
): Promise<void> {
  const [, base] = partition;
  const token = (reason: string): Promise<string> =>
    engine.storage.borrowToken(reason === "rejected", endpoint);
  const engine = new Engine(module, [base], partitionOptions(database, partition, token), {
    status() {},
    deadLetter() {},
    outboxLost() {},
    outboxSize() {},
    restored() {},
    error() {},
    gaveUp() {},
  });
  try {
    await engine.make();
    engine.start();
    await engine.storage.flush();
    endpoint?.isGood();
  } finally {
    engine.close();
  }
}
