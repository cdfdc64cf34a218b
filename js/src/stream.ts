// One subscription of the client, and the listeners that share it.

import type { Gap, Message } from "./api.js";
import type { Messages, Receiver } from "./frame.js";

export interface Listener {
  readonly message: (message: Message<unknown>) => void;
  readonly gap: ((gap: Gap) => void) | undefined;
  /** The client is closed. */
  readonly end?: (() => void) | undefined;
  readonly isPassive: boolean;
  /** The messages that still wait for the listener's consumer. */
  readonly unconsumed?: (() => readonly Message<unknown>[]) | undefined;
}

/**
 * How many messages wait for a listener that takes over. Chosen: a task is short, though timers may
 * be late.
 */
const keptMax = 1_000;

export class Stream implements Receiver {
  readonly no: number;
  readonly topic: string;
  /** The log of the messages, set before the first of them. */
  epoch = "";
  /** The position at which it begins (rule C4). */
  begin = "live";
  /** The last message that all listeners have got. */
  #seq = 0;
  #chain = 0;
  /** Called when that changes. */
  advanced: (() => void) | undefined;
  #listeners: readonly Listener[] = [];
  /**
   * For each listener that has stopped in this task: what it had not consumed, and what came later.
   */
  #kept: { readonly by: Listener; readonly messages: Message<unknown>[] }[] = [];
  /** What a listener that took over from one of those gets first. */
  readonly #behind = new Map<Listener, Message<unknown>[]>();
  /** The message that is being delivered, its listeners, and how many of them have got it. */
  #current: Message<unknown> | undefined;
  #receiving: readonly Listener[] = [];
  #received = 0;
  #isEnded = false;
  readonly #threw: (cause: unknown) => void;

  /** `threw` gets what a listener throws. */
  constructor(no: number, topic: string, threw: (cause: unknown) => void) {
    this.no = no;
    this.topic = topic;
    this.#threw = threw;
  }

  /** Whether all listeners are passive. */
  get isPassive(): boolean {
    return this.#listeners.every(({ isPassive }) => isPassive);
  }

  /**
   * The cursor after the last message that all listeners have consumed (rule C4). Undefined while
   * it is unknown, or while messages wait for a consumer.
   */
  get cursor(): string | undefined {
    const isWaiting = this.#listeners.some(({ unconsumed }) => unconsumed?.().length);
    const isKept = this.#behind.size > 0 || this.#kept.some(({ messages }) => messages.length > 0);
    const isKnown = this.epoch !== "" && !isWaiting && !isKept;
    return isKnown ? this.position : undefined;
  }

  /** The position at which the subscription continues (rule C4). */
  /** The position at which the subscription continues (rule C4). */
  get position(): string {
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

  /** Adds a listener. It takes over from a similar one that has stopped in this task. */
  add(listener: Listener): void {
    this.#listeners = [...this.#listeners, listener];
    const isSame = ({ by }: { by: Listener }) => by.message === listener.message;
    const isLike = ({ by }: { by: Listener }) =>
      (by.unconsumed === undefined) === (listener.unconsumed === undefined);
    const left = this.#kept.find(isSame) ?? this.#kept.find(isLike);
    if (left === undefined) return;
    this.#kept = this.#kept.filter((other) => other !== left);
    if (left.messages.length === 0) return;
    this.#behind.set(listener, left.messages);
    // The app does not expect messages within its call of subscribe.
    queueMicrotask(() => this.#catchUp(listener));
  }

  /** Removes a listener. Until `settle`, its messages wait for one that takes over. */
  remove(listener: Listener): void {
    if (!this.#listeners.includes(listener)) return;
    this.#listeners = this.#listeners.filter((other) => other !== listener);
    const messages = [...(listener.unconsumed?.() ?? []), ...(this.#behind.get(listener) ?? [])];
    this.#behind.delete(listener);
    if (this.#current !== undefined && this.#receiving.indexOf(listener) >= this.#received)
      messages.push(this.#current);
    this.#kept.push({ by: listener, messages });
  }

  /** The task is over. */
  settle(): void {
    this.#kept = [];
  }

  /** Delivers the messages, without the first `skip`. */
  deliver(messages: Messages, skip: number): void {
    const { first, count, chain, at, data, id } = messages;
    if (!messages.isBatch) {
      if (skip === 0) this.#deliverOne(first, data, at, id);
    } else this.#deliverBatch(first, count, at, data as unknown[], skip);
    // If a listener has closed the client, the rest was not delivered.
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

  /** Reports missing messages to all listeners. */
  reportGap(gap: Gap): void {
    this.#notify((listener) => listener.gap?.(gap));
  }

  /** Ends all listeners. They do not get the rest of the messages that are being delivered. */
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
    this.#notify((listener) => {
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
      this.#notify((listener) => {
        if (listener === joined) listener.message(next);
      });
    }
    this.#behind.delete(joined);
  }

  #notify(act: (listener: Listener) => void): void {
    const listeners = this.#listeners;
    this.#receiving = listeners;
    for (let i = 0; i < listeners.length; i++) {
      const listener = listeners[i] as Listener;
      this.#received = i + 1;
      // An earlier listener may have removed this one.
      if (listeners !== this.#listeners && !this.#listeners.includes(listener)) continue;
      try {
        act(listener);
      } catch (cause) {
        this.#threw(cause);
      }
    }
  }
}
