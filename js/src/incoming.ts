// The way of every frame that comes in: its records go to the core, its messages to their streams once the core has put them in order.
//
// Decides nothing about order: the core says of each run of messages whether it is delivered, held or dropped.

import {
  frameCharsMax,
  unreadableBinary,
  unreadablePartMissing,
  unreadableText,
  unreadableTooLarge,
} from "./boundary.js";
import {
  isChange,
  isMessages,
  isOfDocument,
  type Messages,
  type Receiver,
  readChanges,
  readCheckpoint,
  readMessages,
  readSnapshot,
} from "./frame.js";
import { Parts } from "./parts.js";
import type { Turns } from "./turns.js";
import type { Core } from "./wasm/longhaul.js";

/** The core's answer to a messages record, where it is no number of messages to skip. */
const toldHost = -2;

/** What is wrong with what came, by the numbers of src/web/bindings.rs. */

export class Incoming {
  /** Subscriptions by number. */
  readonly streams = new Map<number, Receiver>();
  charsReceived = 0;
  readonly #turns: Turns;
  /** Runs held for a hole before them, by number. */
  readonly #held = new Map<number, Messages>();
  readonly #parts = new Parts();
  #run = 0;
  readonly #read: Messages = {
    no: 0,
    first: 0,
    count: 0,
    chain: 0,
    at: 0,
    isBatch: false,
    data: undefined,
    id: undefined,
    chars: 0,
    kind: 0,
  };

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** The core is gone, and with it what it had held. */
  drop(): void {
    this.#held.clear();
    this.#parts.drop();
  }

  /** Hears the messages of a socket. */
  receiver(connection: number): (event: MessageEvent) => void {
    const { core } = this.#turns;
    return ({ data }) => {
      // A socket of one that has crashed.
      if (core !== this.#turns.core) return;
      if (typeof data !== "string") this.#garbage(connection, unreadableBinary);
      else if (data.length > frameCharsMax) this.#garbage(connection, unreadableTooLarge);
      else this.receive(connection, data);
    };
  }

  /** A frame: the way of every message. No closure stands here: what it captures would be allocated for every record. */
  receive(connection: number, text: string): void {
    this.charsReceived += text.length;
    const { core, depth } = this.#turns;
    if (core === undefined) return;
    try {
      this.#frame(core, connection, text);
    } catch (cause) {
      this.#turns.depth = depth;
      this.#turns.crashed(core, cause);
    }
  }

  // What the core says of what came.

  deliver(no: number, run: number, skip: number): void {
    const messages = run === this.#run ? { ...this.#read } : this.#held.get(run);
    this.#held.delete(run);
    if (messages !== undefined) this.#turns.later(() => this.streams.get(no)?.deliver(messages, skip));
  }

  hold(run: number): void {
    this.#held.set(run, { ...this.#read });
  }

  discard(run: number): void {
    this.#held.delete(run);
  }

  streaming(no: number, cursor: string): void {
    this.#turns.later(() => {
      const stream = this.streams.get(no);
      if (stream === undefined) return;
      const [epoch = "", seq, chain] = cursor.split("/");
      stream.epoch = epoch;
      stream.follows?.(Number(seq), Number(chain));
    });
  }

  gap(no: number, epoch: string, fromSeq: number, toSeq: number | undefined, reason: string): void {
    const gap = { epoch, fromSeq, toSeq: toSeq ?? Number.POSITIVE_INFINITY, reason };
    this.#turns.later(() => this.streams.get(no)?.tellGap(gap));
  }

  #frame(core: Core, connection: number, text: string): void {
    const read = this.#read;
    // A listener may have woken a crash: then what is left comes again.
    for (let at = 0; at < text.length && core === this.#turns.core; ) {
      const newline = text.indexOf("\n", at);
      let end = newline < 0 ? text.length : newline;
      const areMessages = isMessages(text, at);
      if (areMessages) {
        if (!readMessages(text, at, end, read)) end = 0;
      } else if (isChange(text, at)) {
        end = readChanges(text, at, read);
      } else {
        if (end > at) this.#record(connection, text.slice(at, end));
        at = end + 1;
        continue;
      }
      if (end === 0 || !this.#hears(read.no, !areMessages)) {
        this.#garbage(connection, unreadableText);
        return;
      }
      const run = this.#nextRun();
      const { no, first, count, chain, chars } = read;
      this.#turns.depth++;
      const skip = core.messages(connection, no, run, first, count, chain, chars);
      this.#turns.depth--;
      if (skip >= 0) this.streams.get(no)?.deliver(read, skip);
      else if (skip === toldHost) this.#turns.settle();
      at = end + 1;
    }
  }

  #record(connection: number, record: string): void {
    if (record.startsWith("part ")) this.#part(connection, record);
    else if (isOfDocument(record)) this.#ofDocument(connection, record);
    else this.#turns.turn((core) => core.record(connection, record));
  }

  /** A part of a record: a sign of life, and the last one brings the record. */
  #part(connection: number, record: string): void {
    const left = Parts.left(record);
    if (Number.isNaN(left)) {
      this.#garbage(connection, unreadableText);
      return;
    }
    const isEstablished = this.#turns.look((core) => core.heard(connection, left > 0, record.length));
    this.#turns.settle();
    // Of another connection nothing is kept.
    if (!isEstablished) return;
    const whole = this.#parts.add(connection, record);
    const { core } = this.#turns;
    if (whole === undefined) this.#garbage(connection, unreadablePartMissing);
    else if (core !== undefined) this.#frame(core, connection, whole);
  }

  /** A document's snapshot or checkpoint. */
  #ofDocument(connection: number, record: string): void {
    const read = this.#read;
    if (record.startsWith("checkpoint")) {
      const hash = readCheckpoint(record, read);
      if (this.#hears(read.no, true)) this.streams.get(read.no)?.checkpoint?.(read.first, hash);
      else this.#garbage(connection, unreadableText);
      return;
    }
    if (!readSnapshot(record, read) || !this.#hears(read.no, true)) {
      this.#garbage(connection, unreadableText);
      return;
    }
    const { no, first, chain } = read;
    const run = this.#nextRun();
    const skip = this.#turns.look((core) => core.snapshot(connection, no, run, first, chain));
    if (skip === 0) this.streams.get(no)?.deliver(read, 0);
    this.#turns.settle();
  }

  /** Whether a record is of the kind that its subscription asked for; one that is left hears nothing anyway. */
  #hears(no: number, isOfDocument: boolean): boolean {
    const stream = this.streams.get(no);
    return stream === undefined || (stream.checkpoint !== undefined) === isOfDocument;
  }

  #garbage(connection: number, what: number): void {
    this.#turns.turn((core) => core.garbage(connection, what));
  }

  #nextRun(): number {
    this.#run = (this.#run + 1) % 2 ** 31;
    return this.#run;
  }
}
