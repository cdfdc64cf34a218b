// Signed topics: listeners get only the messages of holders of the topic's key (rules V1 to V4).
//
// It stands between a topic and its client: it signs publications before the client has them, and
// verifies messages after the core has ordered them. `longhaul/signatures` is a separate file.

import type { Gap, Message, PublishOptions, Receipt, SubscribeOptions, Topic } from "./api.js";
import { found } from "./browser.js";
import { LonghaulError } from "./index.js";
import type * as api from "./signatures.api.js";
import type { Iteration, TopicClient, TopicHandle } from "./topic.js";

/** A signed payload (rule V1). */
interface Sealed {
  hmac: string;
  signed: string;
}

type Listen = (message: Message<unknown>) => void;

const algorithm = { name: "HMAC", hash: "SHA-256" };

/** The length of a SHA-256 hash. Source: RFC 2104, section 3. */
const keyBytesMin = 32;

/** How many messages may wait for verification. Chosen: as for an iteration. */
const waitingMax = 10_000;

/** See signatures.api.d.ts. */
export function signed<T>(topic: Topic<T>, key: CryptoKey | BufferSource): Topic<T> {
  const handle = topic as TopicHandle<T>;
  if (typeof handle?.over !== "function") {
    throw new LonghaulError("option_invalid", "this is no topic of a client", {
      hint: "pass client.topic(name); documents can't be signed, because the hub applies their patches",
    });
  }
  if (found(() => crypto.subtle) === undefined) {
    throw new LonghaulError("crypto_unavailable", "this page has no crypto.subtle", {
      hint: "serve it over https: browsers offer it to secure pages only",
    });
  }
  const usable = importKey(key);
  // Each use of the key reports the fault.
  usable.catch(() => {});
  return handle.over((client) => new Signing(client, usable));
}

signed satisfies typeof api.signed;

async function importKey(key: CryptoKey | BufferSource): Promise<CryptoKey> {
  if (key instanceof CryptoKey) {
    if (key.algorithm.name === "HMAC" && (key.algorithm as HmacKeyAlgorithm).hash.name === "SHA-256")
      return key;
  } else if (key?.byteLength >= keyBytesMin) {
    return crypto.subtle.importKey("raw", key, algorithm, false, ["sign", "verify"]);
  }
  throw new LonghaulError("option_invalid", "this is no key for signatures", {
    hint: `pass a CryptoKey for HMAC with SHA-256, or at least ${keyBytesMin} bytes`,
  });
}

/**
 * The bytes to sign (rule V2). The name of a topic contains no line feed, so they are unambiguous.
 */
function signedBytes(topic: string, text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${topic}\n${text}`);
}

class Signing implements TopicClient {
  readonly #client: TopicClient;
  readonly #key: Promise<CryptoKey>;
  /** Keeps the order of publications, whichever is signed first. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: TopicClient, key: Promise<CryptoKey>) {
    this.#client = client;
    this.#key = key;
  }

  async publish(topic: string, text: string, options: PublishOptions): Promise<Receipt> {
    const sealing = this.#seal(topic, text);
    const sealed = this.#last.then(() => sealing);
    this.#last = sealed.catch(() => {});
    const payload = await sealed;
    options.signal?.throwIfAborted();
    return this.#client.publish(topic, JSON.stringify(payload), options);
  }

  subscribe(topic: string, listen: Listen, options: SubscribeOptions, iteration?: Iteration): () => void {
    const open = (data: unknown) => this.#open(topic, data);
    return new VerifiedSubscription(this.#client, open, topic, listen, options, iteration).begin(
      options.from,
    );
  }

  report(error: LonghaulError): void {
    this.#client.report(error);
  }

  async #seal(topic: string, text: string): Promise<Sealed> {
    const hmac = await crypto.subtle.sign("HMAC", await this.#key, signedBytes(topic, text));
    return { hmac: btoa(String.fromCharCode(...new Uint8Array(hmac))), signed: text };
  }

  /** Verifies a message and returns its data. Throws the reason if it is not valid. */
  async #open(topic: string, data: unknown): Promise<unknown> {
    const key = await this.#key;
    const { hmac, signed } = (data ?? {}) as Partial<Sealed>;
    if (typeof hmac !== "string" || typeof signed !== "string") throw "it is not signed";
    if (!(await crypto.subtle.verify("HMAC", key, bytesOf(hmac), signedBytes(topic, signed)))) {
      throw "its signature is not of this key, topic and text";
    }
    return JSON.parse(signed);
  }
}

/** Invalid base64 is no signature either. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** Verifies messages side by side, and delivers them in order, with the gaps between them. */
class VerifiedSubscription {
  readonly #client: TopicClient;
  readonly #open: (data: unknown) => Promise<unknown>;
  readonly #topic: string;
  readonly #listen: Listen;
  readonly #options: SubscribeOptions;
  readonly #inner: Iteration | undefined;
  #stop: () => void = () => {};
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** The messages that wait for verification. */
  readonly #unverified: Message<unknown>[] = [];
  /** The verified messages that wait for the consumer of an iteration. */
  readonly #handed: Message<unknown>[] = [];
  /** The seq to continue from once the waiting messages are verified, if there were too many. */
  #resumeAt: number | undefined;
  #isOver = false;
  readonly #abort = (): void => this.#leave();

  constructor(
    client: TopicClient,
    open: (data: unknown) => Promise<unknown>,
    topic: string,
    listen: Listen,
    options: SubscribeOptions,
    inner: Iteration | undefined,
  ) {
    this.#client = client;
    this.#open = open;
    this.#topic = topic;
    this.#listen = listen;
    this.#options = options;
    this.#inner = inner;
    options.signal?.addEventListener("abort", this.#abort);
  }

  /** Subscribes. Returns a function that stops the subscription. */
  begin(from: SubscribeOptions["from"]): () => void {
    const onGap = (gap: Gap) => this.#enqueue(Promise.resolve(), () => this.#options.onGap?.(gap));
    const options = from === undefined ? { ...this.#options, onGap } : { ...this.#options, onGap, from };
    const listen = (message: Message<unknown>) => this.#message(message);
    this.#stop = this.#client.subscribe(this.#topic, listen, options, {
      end: () => {
        this.#end();
        this.#inner?.end();
      },
      unconsumed: () => this.#unconsumed(),
    });
    return () => this.#leave();
  }

  #leave(): void {
    this.#end();
    this.#stop();
  }

  #end(): void {
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#abort);
  }

  #message(message: Message<unknown>): void {
    if (this.#resumeAt !== undefined) return;
    if (this.#waiting >= waitingMax) {
      this.#resumeAt = message.seq;
      this.#stop();
      return;
    }
    this.#unverified.push(message);
    this.#enqueue(
      this.#open(message.data),
      (data) => {
        this.#unverified.shift();
        this.#listen({ ...message, data });
        if (this.#inner === undefined) return;
        this.#handed.push(message);
        this.#handed.splice(0, this.#handed.length - this.#inner.unconsumed().length);
      },
      (why) => {
        this.#unverified.shift();
        this.#refuse(message, why);
      },
    );
  }

  /**
   * The messages without a consumer so far. None after an overflow, which this subscription handles
   * itself.
   */
  #unconsumed(): readonly Message<unknown>[] {
    if (this.#resumeAt !== undefined) return [];
    const handed = this.#inner?.unconsumed().length ?? 0;
    return [...this.#handed.slice(this.#handed.length - handed), ...this.#unverified];
  }

  /** Handles the result of a promise after all earlier ones, unless the subscription has ended. */
  #enqueue<T>(coming: Promise<T>, act: (value: T) => void, refuse?: (why: unknown) => void): void {
    this.#waiting++;
    const settled = coming.then(
      (value) => () => act(value),
      (why) => () => refuse?.(why),
    );
    this.#last = this.#last.then(async () => {
      const tell = await settled;
      this.#waiting--;
      if (this.#isOver) return;
      try {
        tell();
      } catch (cause) {
        const words = `a listener of ${this.#topic} threw: ${String(cause)}`;
        this.#client.report(new LonghaulError("listener_threw", words, { cause }));
      }
      if (this.#waiting === 0 && this.#resumeAt !== undefined && !this.#isOver) {
        const from = this.#resumeAt;
        this.#resumeAt = undefined;
        this.begin(from);
      }
    });
  }

  #refuse({ epoch, seq }: Message<unknown>, why: unknown): void {
    const code = "signature_invalid";
    const words = why instanceof LonghaulError ? why.message : String(why);
    this.#client.report(
      new LonghaulError(code, `message ${seq} of ${this.#topic} is not delivered: ${words}`, {
        hint: "someone without the key may publish here, or the publisher uses another key or topic",
        cause: why,
      }),
    );
    this.#options.onGap?.({ epoch, fromSeq: seq, toSeq: seq, reason: code });
  }
}
