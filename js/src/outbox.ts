// The outbox that an app gets: its calls wait for the engine.

import type { DeadLetter, Outbox, OutboxRow } from "./api.js";
import { persist } from "./browser.js";
import { LonghaulError, storageUnavailable } from "./errors.js";
import { shown } from "./options.js";
import { rowUnknown, type Storage } from "./storage.js";

export interface OutboxClient {
  /** Undefined until there is an engine. */
  storage(): Storage | undefined;
  /** Rejects with `impatient` as soon as an attempt to load the wasm fails. */
  whenReady(impatient?: () => LonghaulError): Promise<Storage>;
  /** Rejects the publications that wait for the engine. */
  withdraw(error: LonghaulError): void;
}

export class OutboxHandle implements Outbox {
  readonly #client: OutboxClient;

  constructor(client: OutboxClient) {
    this.#client = client;
  }

  get size(): number {
    return this.#client.storage()?.size ?? 0;
  }

  async rows(): Promise<readonly OutboxRow[]> {
    return (await this.#client.whenReady()).rows();
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    return (await this.#client.whenReady()).deadLetters();
  }

  async retry(id: string): Promise<void> {
    checkId(id);
    return (await this.#client.whenReady()).retry(id);
  }

  async discard(id: string): Promise<void> {
    checkId(id);
    return (await this.#client.whenReady()).discard(id);
  }

  async flush(): Promise<void> {
    return (await this.#client.whenReady(notFlushed)).flush();
  }

  async persist(): Promise<boolean> {
    return persist();
  }

  async wipe(): Promise<void> {
    this.#client.withdraw(new LonghaulError("wiped", "the outbox was wiped"));
    return (await this.#client.whenReady(storageUnavailable)).wipe();
  }
}

function checkId(id: unknown): void {
  if (typeof id !== "string") throw rowUnknown(shown(id));
}

function notFlushed(): LonghaulError {
  return new LonghaulError("not_flushed", "rows may wait, and the client's wasm is not loaded", {
    hint: "they stay in the outbox until the next connection",
  });
}
