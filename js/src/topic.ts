// The topic that an app gets, and iterations over its messages.

import type { Message, PublishOptions, Receipt, SubscribeOptions, Topic } from "./api.js";
import { LonghaulError } from "./errors.js";
import { checkListener, checkPublish, checkSubscribe } from "./options.js";
import type { Listener } from "./stream.js";

/** The part of a listener that only iterations have. */
export type Iteration = { [K in "end" | "unconsumed"]-?: NonNullable<Listener[K]> };

export interface TopicClient {
  subscribe(
    topic: string,
    listener: (message: Message<unknown>) => void,
    options: SubscribeOptions,
    iteration?: Iteration,
  ): () => void;
  publish(topic: string, text: string, options: PublishOptions): Promise<Receipt>;
  report(error: LonghaulError): void;
}

/** How many messages may wait for the consumer of an iteration. */
const lagMax = 10_000;

export class TopicHandle<T> implements Topic<T> {
  readonly name: string;
  readonly #client: TopicClient;

  constructor(name: string, client: TopicClient) {
    this.name = name;
    this.#client = client;
  }

  /** The same topic over another client, such as one that adds signatures. */
  over(wrap: (client: TopicClient) => TopicClient): Topic<T> {
    return new TopicHandle<T>(this.name, wrap(this.#client));
  }

  subscribe(listener: (message: Message<T>) => void, options: SubscribeOptions = {}): () => void {
    checkListener(listener, "subscribe", "pass a function that takes a message");
    checkSubscribe(options);
    return this.#client.subscribe(this.name, listener as (message: Message<unknown>) => void, options);
  }

  messages(options: SubscribeOptions = {}): AsyncIterable<Message<T>> {
    checkSubscribe(options);
    return {
      [Symbol.asyncIterator]: () =>
        new Messages<T>(
          (listener, iteration) =>
            this.#client.subscribe(
              this.name,
              listener as (message: Message<unknown>) => void,
              options,
              iteration,
            ),
          options,
        ),
    };
  }

  async publish(data: T, options: PublishOptions = {}): Promise<Receipt> {
    checkPublish(options);
    options.signal?.throwIfAborted();
    return this.#client.publish(this.name, jsonOf(data, `the message for ${this.name}`), options);
  }
}

/** The JSON of a publication. Throws `data_not_json`; `name` describes the publication. */
export function jsonOf(data: unknown, name: string): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(data);
  } catch (thrown) {
    cause = thrown;
  }
  if (text !== undefined) return text;
  throw new LonghaulError("data_not_json", `${name} has no JSON form`, {
    hint: "publish plain data: no BigInt, no cycle, and no undefined, function or symbol at the top",
    cause,
  });
}

interface Waiting<T> {
  resolve(result: IteratorResult<Message<T>>): void;
  reject(error: unknown): void;
}

/** One iteration over a topic: a subscription whose messages wait for the consumer. */
class Messages<T> implements AsyncIterator<Message<T>> {
  readonly #queue: Message<T>[] = [];
  readonly #unsubscribe: () => void;
  /** Calls of `next`, each of which waits for a message. */
  #waiting: Waiting<T>[] = [];
  #isOver = false;
  /** Whether the consumer has left the loop. */
  #isLeft = false;
  #failure: LonghaulError | undefined;
  #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.#end();

  constructor(
    subscribe: (listener: (message: Message<T>) => void, iteration: Iteration) => () => void,
    { signal }: SubscribeOptions,
  ) {
    this.#unsubscribe = subscribe((message) => this.#push(message), {
      end: () => void this.return(),
      // After an abort or a failure the consumer still gets what is in the queue.
      unconsumed: () =>
        (this.#isOver && !this.#isLeft) || signal?.aborted ? [] : (this.#queue as Message<unknown>[]),
    });
    if (signal?.aborted) this.#end();
    else signal?.addEventListener("abort", this.#abort);
    this.#signal = signal;
  }

  next(): Promise<IteratorResult<Message<T>>> {
    const message = this.#queue.shift();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<Message<T>>> {
    this.#isLeft = true;
    this.#end();
    this.#queue.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  #push(message: Message<T>): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: message });
    } else if (this.#queue.length < lagMax) {
      this.#queue.push(message);
    } else if (!this.#isOver) {
      this.#failure = new LonghaulError("consumer_too_slow", `${lagMax} messages wait for the consumer`, {
        hint: "iterate again with from: lastSeq + 1, or use subscribe",
      });
      this.#end();
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#unsubscribe();
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }
}
