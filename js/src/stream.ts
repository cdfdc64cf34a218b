// One subscription on the wire and the listeners that share it.

import type { Gap, Message } from "./api.js";
import type { Messages, Receiver } from "./frame.js";

/** Who wants the messages. */
export interface Listener {
  readonly message: (message: Message<unknown>) => void;
  readonly gap: ((gap: Gap) => void) | undefined;
  /** The client is closed: nothing more comes. */
  readonly end?: (() => void) | undefined;
  readonly isPassive: boolean;
  /** Whether messages that it was given wait for their consumer. */
  readonly isBehind?: (() => boolean) | undefined;
}

export class Stream implements Receiver {
  readonly no: number;
  readonly topic: string;
  /** The log that the messages belong to; told before the first of them. */
  epoch = "";
  /** Where it begins, as rule C4 has it. */
  begin = "live";
  /** The last message that everyone has been handed. */
  #seq = 0;
  #chain = 0;
  /** Told when that has changed. */
  advanced: (() => void) | undefined;
  #listeners: readonly Listener[] = [];
  readonly #threw: (cause: unknown) => void;

  /** `threw` is told what a listener throws. */
  constructor(no: number, topic: string, threw: (cause: unknown) => void) {
    this.no = no;
    this.topic = topic;
    this.#threw = threw;
  }

  /** Nobody waits for its messages. */
  get isPassive(): boolean {
    return this.#listeners.every(({ isPassive }) => isPassive);
  }

  /** What everyone has had, as rule C4 writes it; undefined while that is unknown or some of it still waits for its consumer. */
  get cursor(): string | undefined {
    const isKnown = this.epoch !== "" && !this.#listeners.some(({ isBehind }) => isBehind?.());
    return isKnown ? this.place : undefined;
  }

  get place(): string {
    return this.epoch === "" ? this.begin : `${this.epoch}/${this.#seq}/${this.#chain}`;
  }

  follows(seq: number, chain: number): void {
    this.#seq = seq;
    this.#chain = chain;
    this.advanced?.();
  }

  get isUnused(): boolean {
    return this.#listeners.length === 0;
  }

  add(listener: Listener): void {
    this.#listeners = [...this.#listeners, listener];
  }

  remove(listener: Listener): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  /** Hands over what was read, but for the first `skip` messages. */
  deliver(messages: Messages, skip: number): void {
    const { first, count, chain, at, data, id } = messages;
    if (!messages.isBatch) {
      if (skip === 0) this.#deliverOne(first, data, at, id);
    } else this.#deliverBatch(first, count, at, data as unknown[], skip);
    // Who has closed the client within has not been handed the rest.
    if (!this.isUnused) this.follows(first + count - 1, chain);
  }

  #deliverBatch(first: number, count: number, at: number, array: unknown[], skip: number): void {
    for (let i = skip; i < count; i++) {
      const id = array[3 * i + 2];
      this.#deliverOne(
        first + i,
        array[3 * i],
        at + (array[3 * i + 1] as number),
        typeof id === "string" ? id : undefined,
      );
    }
  }

  /** Tells everyone what can't be had. */
  tellGap(gap: Gap): void {
    this.#tell((listener) => listener.gap?.(gap));
  }

  /** Nobody gets anything more, not even the rest of what is being delivered. */
  end(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const { end } of listeners) end?.();
  }

  #deliverOne(seq: number, data: unknown, publishedAtMs: number, id: string | undefined): void {
    const message: Message<unknown> = { topic: this.topic, seq, epoch: this.epoch, data, publishedAtMs };
    if (id !== undefined) message.id = id;
    this.#tell((listener) => listener.message(message));
  }

  #tell(act: (listener: Listener) => void): void {
    const listeners = this.#listeners;
    for (const listener of listeners) {
      // One that an earlier listener has removed gets nothing more.
      if (listeners !== this.#listeners && !this.#listeners.includes(listener)) continue;
      try {
        act(listener);
      } catch (cause) {
        this.#threw(cause);
      }
    }
  }
}
