// The outbox in a service worker: sends the rows of closed tabs. Browsers require that it adds its
// listeners at once; it loads the wasm when rows wait.

import type { Options } from "./api.js";
import { databaseName } from "./core-options.js";
import { Endpoint } from "./endpoint.js";
import { Engine } from "./engine.js";
import { LonghaulError } from "./errors.js";
import { instantiate } from "./instance.js";
import { load } from "./load.js";
import { type Partition, partitionOptions } from "./rows.js";
import { confirmDatabase, defaultTag, isFlushRequest } from "./sync.js";
import type { TokenReason } from "./token.js";
import { bindings } from "./wasm/longhaul_bindings.js";

interface InstallOptions {
  name?: string;
  wasm?: Options["wasm"];
}

/** Types of workers that TypeScript's library of pages lacks. */
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
  /** Starts a flush, or joins the one that runs. */
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
        // This was the browser's last try. A new registration makes it start again.
        if (event.lastChance) await scope.registration.sync?.register(defaultTag);
        throw error;
      }),
    );
  });
  scope.addEventListener("message", (event) => {
    confirmDatabase(event, name);
    // Rows that remain wait for the next event.
    if (isFlushRequest(event.data)) event.waitUntil(flush().catch(() => {}));
  });
}

/** Flushes all partitions, side by side. Rejects if rows remain. */
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

/** The partitions that have rows. */
async function partitionsOf(module: WebAssembly.Module, database: string): Promise<readonly Partition[]> {
  const made = bindings();
  return new Promise((resolve, reject) => {
    const find = async (): Promise<readonly Partition[]> => {
      const end = await instantiate(module, made, reject);
      try {
        const found = await made.Core.partitions(database);
        if (found !== undefined) return found;
        throw new LonghaulError("storage_unavailable", "the outbox's storage can't be read", {
          hint: "a page may have upgraded it: update the service worker",
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
  const token = (reason: TokenReason): Promise<string> => engine.storage.sharedToken(reason, endpoint);
  const engine = new Engine(module, [base], partitionOptions(database, partition, token), {
    status() {},
    deadLetter() {},
    outboxLost() {},
    outboxSize() {},
    restored() {},
    error() {},
    stopped() {},
  });
  try {
    await engine.make();
    engine.start();
    await engine.storage.flush();
    endpoint?.succeeded();
  } finally {
    engine.close();
  }
}
