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
  /** Messages that it was given, and that still wait for their consumer. */
  readonly rest?: (() => readonly Message<unknown>[]) | undefined;
}

/** Messages kept for a listener that joins before the stream is left, at most. Chosen: a task is short, though timers may be late. */
const keptMax = 1_000;

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
  /** For each listener that has left in this task: what it had not consumed, and what came later. */
  #kept: { readonly by: Listener; readonly messages: Message<unknown>[] }[] = [];
  /** Listeners that have joined in the place of one of those: they get this first. */
  readonly #behind = new Map<Listener, Message<unknown>[]>();
  /** The message that listeners are being told, and those of them that have heard it. */
  #current: Message<unknown> | undefined;
  #hearing: readonly Listener[] = [];
  #heard = 0;
  #isEnded = false;
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
    const isWaiting = this.#listeners.some(({ rest }) => rest?.().length);
    const isKept = this.#behind.size > 0 || this.#kept.some(({ messages }) => messages.length > 0);
    const isKnown = this.epoch !== "" && !isWaiting && !isKept;
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

  /** One that joins in the task in which another of its kind has left goes on where that one was. */
  add(listener: Listener): void {
    this.#listeners = [...this.#listeners, listener];
    const isSame = ({ by }: { by: Listener }) => by.message === listener.message;
    const isLike = ({ by }: { by: Listener }) => (by.rest === undefined) === (listener.rest === undefined);
    const left = this.#kept.find(isSame) ?? this.#kept.find(isLike);
    if (left === undefined) return;
    this.#kept = this.#kept.filter((other) => other !== left);
    if (left.messages.length === 0) return;
    this.#behind.set(listener, left.messages);
    // Not within the call that subscribes.
    queueMicrotask(() => this.#catchUp(listener));
  }

  /** Until `settle` messages are kept for one that joins in its place. */
  remove(listener: Listener): void {
    if (!this.#listeners.includes(listener)) return;
    this.#listeners = this.#listeners.filter((other) => other !== listener);
    const messages = [...(listener.rest?.() ?? []), ...(this.#behind.get(listener) ?? [])];
    this.#behind.delete(listener);
    if (this.#current !== undefined && this.#hearing.indexOf(listener) >= this.#heard)
      messages.push(this.#current);
    this.#kept.push({ by: listener, messages });
  }

  /** The task is over. */
  settle(): void {
    this.#kept = [];
  }

  /** Hands over what was read, but for the first `skip` messages. */
  deliver(messages: Messages, skip: number): void {
    const { first, count, chain, at, data, id } = messages;
    if (!messages.isBatch) {
      if (skip === 0) this.#deliverOne(first, data, at, id);
    } else this.#deliverBatch(first, count, at, data as unknown[], skip);
    // Who has closed the client within has not been handed the rest.
    if (!this.#isEnded) this.follows(first + count - 1, chain);
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
    this.#isEnded = true;
    this.settle();
    for (const { end } of listeners) end?.();
  }

  #deliverOne(seq: number, data: unknown, publishedAtMs: number, id: string | undefined): void {
    const message: Message<unknown> = { topic: this.topic, seq, epoch: this.epoch, data, publishedAtMs };
    if (id !== undefined) message.id = id;
    for (const { messages } of this.#kept) {
      if (messages.push(message) > keptMax) this.settle();
    }
    this.#current = message;
    this.#tell((listener) => {
      const behind = this.#behind.get(listener);
      if (behind !== undefined) behind.push(message);
      else listener.message(message);
    });
    this.#current = undefined;
  }

  #catchUp(joined: Listener): void {
    const behind = this.#behind.get(joined) ?? [];
    for (let message = behind.shift(); message !== undefined; message = behind.shift()) {
      const next = message;
      this.#tell((listener) => {
        if (listener === joined) listener.message(next);
      });
    }
    this.#behind.delete(joined);
  }

  #tell(act: (listener: Listener) => void): void {
    const listeners = this.#listeners;
    this.#hearing = listeners;
    for (let i = 0; i < listeners.length; i++) {
      const listener = listeners[i] as Listener;
      this.#heard = i + 1;
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
