// The workload: the same messages for every peer, made before the clock runs.

export interface Case {
  readonly name: string;
  readonly payloadBytes: 60 | 1024;
  /** Messages in a frame. `raw` always has one. */
  readonly perFrame: number;
  readonly topics: number;
  /** Whether each message carries the id of its publication, `producer:n`. */
  readonly hasIds: boolean;
  /**
   * Whether events are plain objects. Reading a real event's `data` costs all peers about a small
   * JSON.parse.
   */
  readonly isPlain: boolean;
}

/** One message, before it gets a peer's layout. */
export interface Sent {
  /** Index of its topic. */
  readonly topic: number;
  readonly seq: number;
  readonly chain: number;
  readonly at: number;
  readonly id: string | undefined;
  /** The payload as JSON. */
  readonly json: string;
}

const producer = "7Hq2vXk9_wBzT4mRcL0aYe";
const startMs = 1_763_000_000_000;

/** An endless stream of messages, which takes the topics in turn. Each topic's seq has no holes. */
export class Source {
  readonly #case: Case;
  readonly #seqs: number[];
  #made = 0;
  /** The sum of all payloads' `n`; it reveals a peer that loses or repeats one. */
  sum = 0;

  constructor(of: Case) {
    this.#case = of;
    this.#seqs = new Array<number>(of.topics).fill(0);
  }

  /** The next frame's messages. */
  frame(): Sent[] {
    return Array.from({ length: this.#case.perFrame }, () => this.#next());
  }

  #next(): Sent {
    const n = ++this.#made;
    const topic = n % this.#case.topics;
    const seq = (this.#seqs[topic] ?? 0) + 1;
    this.#seqs[topic] = seq;
    this.sum += n;
    return {
      topic,
      seq,
      // 48 bits that look random; the receiver does not check them.
      chain: (n * 2_654_435_761 * 65_537) % 2 ** 48,
      at: startMs + n * 3,
      id: this.#case.hasIds ? `${producer}:${n}` : undefined,
      json: this.#case.payloadBytes === 60 ? small(n) : medium(n),
    };
  }
}

/** The messages of a frame; consecutive ones of one topic are grouped. */
export function runs(frame: readonly Sent[]): Sent[][] {
  const runs: Sent[][] = [];
  for (const sent of frame) {
    const run = runs.at(-1);
    if (run?.[0]?.topic === sent.topic) run.push(sent);
    else runs.push([sent]);
  }
  return runs;
}

export function topicName(topic: number): string {
  return `bench/topic-${topic}`;
}

/** 60 bytes. */
function small(n: number): string {
  return padded(`{"n":${n},"x":${fraction(n)},"y":${fraction(n * 7)},"tag":"`, 60);
}

/** 1 KB, nested. */
function medium(n: number): string {
  let items = "";
  for (let i = 0; i < 8; i++) {
    const comma = i === 0 ? "" : ",";
    items += `${comma}{"id":${n + i},"name":"item ${i} of ${n % 100}","price":${fraction(n + i)},"tags":["red","large"],"inStock":${i % 2 === 0}}`;
  }
  return padded(`{"n":${n},"user":{"id":${n % 1000},"name":"Ada"},"items":[${items}],"note":"`, 1024);
}

function fraction(n: number): number {
  return ((n * 7919) % 99_991) / 1e5;
}

const filler = "abcdefghij".repeat(100);

/** Fills the last field, whose text is still open, up to this many bytes. */
function padded(open: string, bytes: number): string {
  return `${open}${filler.slice(0, Math.max(0, bytes - open.length - 2))}"}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Text as the browser's socket delivers it: flat, and outside of the JavaScript heap. Text that a
 * script has joined is neither, and its reader would pay for that.
 */
export function asReceived(text: string): string {
  return decoder.decode(encoder.encode(text));
}

/** Shows the page objects of many shapes, as a page that has run for a while has seen. */
export function seeManyShapes(listener: (data: unknown) => void): void {
  for (let shape = 0; shape < 400; shape++) {
    const keys = Array.from({ length: 2 + (shape % 12) }, (_, i) => [`k${shape}_${i}`, i % 3 ? i : `${i}`]);
    const text = JSON.stringify({ ...Object.fromEntries(keys), n: 0 });
    for (let again = 0; again < 20; again++) {
      const value: Record<string, unknown> = { ...JSON.parse(text) };
      for (const key in value) if (value[key] === text) throw new Error("no value is its own object");
      listener(value);
    }
  }
}
