// What a user holds of the outbox: what waits, what never arrived, and what to do about either.

import type { DeadLetter, Outbox, OutboxRow } from "./api.js";
import type { Storage } from "./storage.js";

/** The storage, once there is an engine. */
export interface OutboxClient {
  storage(): Storage | undefined;
  whenReady(): Promise<Storage>;
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
    return (await this.#client.whenReady()).retry(id);
  }

  async discard(id: string): Promise<void> {
    return (await this.#client.whenReady()).discard(id);
  }

  async flush(): Promise<void> {
    return (await this.#client.whenReady()).flush();
  }

  async persist(): Promise<boolean> {
    return (await globalThis.navigator?.storage?.persist?.()) ?? false;
  }

  async wipe(): Promise<void> {
    return (await this.#client.whenReady()).wipe();
  }
}
