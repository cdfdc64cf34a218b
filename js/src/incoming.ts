// Handles every frame that arrives: records go to the core, and messages to their streams.
//
// The core decides about each run of messages: it delivers, holds or drops the run.

import type { GapReason } from "./api.js";
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
import type { Scheduler } from "./scheduler.js";
import type { Core } from "./wasm/longhaul.js";

/**
 * The core's answer if it has called the host. Otherwise it is how many messages to skip, or -1.
 */
const calledHost = -2;

export class Incoming {
  /** The subscriptions, by number. */
  readonly streams = new Map<number, Receiver>();
  charsReceived = 0;
  readonly #scheduler: Scheduler;
  /** The runs that wait for a hole to be filled, by number. */
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

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** The core has crashed, and with it the runs that it held. */
  drop(): void {
    this.#held.clear();
    this.#parts.drop();
  }

  /** The listener for the messages of a socket. */
  receiver(connection: number): (event: MessageEvent) => void {
    const { core } = this.#scheduler;
    return ({ data }) => {
      // The socket may belong to a core that has crashed.
      if (core !== this.#scheduler.core) return;
      if (typeof data !== "string") this.#garbage(connection, unreadableBinary);
      else if (data.length > frameCharsMax) this.#garbage(connection, unreadableTooLarge);
      else this.receive(connection, data);
    };
  }

  /** Handles a frame. It contains no closure, because that would be allocated for each record. */
  receive(connection: number, text: string): void {
    this.charsReceived += text.length;
    const { core, depth } = this.#scheduler;
    if (core === undefined) return;
    try {
      this.#frame(core, connection, text);
    } catch (cause) {
      this.#scheduler.depth = depth;
      this.#scheduler.crashed(core, cause);
    }
  }

  // The core calls these.

  deliver(no: number, run: number, skip: number): void {
    const messages = run === this.#run ? { ...this.#read } : this.#held.get(run);
    this.#held.delete(run);
    if (messages !== undefined) this.#scheduler.defer(() => this.streams.get(no)?.deliver(messages, skip));
  }

  hold(run: number): void {
    this.#held.set(run, { ...this.#read });
  }

  discard(run: number): void {
    this.#held.delete(run);
  }

  streaming(no: number, cursor: string): void {
    this.#scheduler.defer(() => {
      const stream = this.streams.get(no);
      if (stream === undefined) return;
      const [epoch = "", seq, chain] = cursor.split("/");
      stream.epoch = epoch;
      stream.follows?.(Number(seq), Number(chain));
    });
  }

  gap(no: number, epoch: string, fromSeq: number, toSeq: number | undefined, reason: GapReason): void {
    const gap = { epoch, fromSeq, toSeq: toSeq ?? Number.POSITIVE_INFINITY, reason };
    this.#scheduler.defer(() => this.streams.get(no)?.reportGap(gap));
  }

  #frame(core: Core, connection: number, text: string): void {
    const read = this.#read;
    // A listener may have caused a crash: then the rest of the frame comes again.
    for (let at = 0; at < text.length && core === this.#scheduler.core; ) {
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
      if (end === 0 || !(areMessages ? this.#takesMessages(read.no) : this.#takesDocument(read.no))) {
        this.#garbage(connection, unreadableText);
        return;
      }
      const run = this.#nextRun();
      const { no, first, count, chain, chars } = read;
      this.#scheduler.depth++;
      const skip = core.messages(connection, no, run, first, count, chain, chars);
      this.#scheduler.depth--;
      if (skip >= 0) this.streams.get(no)?.deliver(read, skip);
      else if (skip === calledHost) this.#scheduler.settle();
      at = end + 1;
    }
  }

  #record(connection: number, record: string): void {
    if (record.startsWith("part ")) this.#part(connection, record);
    else if (isOfDocument(record)) this.#ofDocument(connection, record);
    else this.#scheduler.run((core) => core.record(connection, record));
  }

  /**
   * A part of a record. It shows that the connection is alive, and the last one completes the
   * record.
   */
  #part(connection: number, record: string): void {
    const left = Parts.left(record);
    if (Number.isNaN(left)) {
      this.#garbage(connection, unreadableText);
      return;
    }
    const isEstablished = this.#scheduler.ask((core) => core.heard(connection, left > 0, record.length));
    this.#scheduler.settle();
    // Parts count only from the established connection.
    if (!isEstablished) return;
    const whole = this.#parts.add(connection, record);
    const { core } = this.#scheduler;
    if (whole === undefined) this.#garbage(connection, unreadablePartMissing);
    else if (core !== undefined) this.#frame(core, connection, whole);
  }

  /** A document's snapshot or checkpoint. */
  #ofDocument(connection: number, record: string): void {
    const read = this.#read;
    if (record.startsWith("checkpoint")) {
      const hash = readCheckpoint(record, read);
      if (this.#takesDocument(read.no)) this.streams.get(read.no)?.checkpoint?.(read.first, hash);
      else this.#garbage(connection, unreadableText);
      return;
    }
    if (!readSnapshot(record, read) || !this.#takesDocument(read.no)) {
      this.#garbage(connection, unreadableText);
      return;
    }
    const { no, first, chain } = read;
    const run = this.#nextRun();
    const skip = this.#scheduler.ask((core) => core.snapshot(connection, no, run, first, chain));
    if (skip === 0) this.streams.get(no)?.deliver(read, 0);
    this.#scheduler.settle();
  }

  /** Whether a subscription takes messages. An ended one takes everything. */
  #takesMessages(no: number): boolean {
    return this.streams.get(no)?.checkpoint === undefined;
  }

  /** Whether a subscription takes the records of a document. An ended one takes everything. */
  #takesDocument(no: number): boolean {
    const stream = this.streams.get(no);
    return stream === undefined || stream.checkpoint !== undefined;
  }

  #garbage(connection: number, what: number): void {
    this.#scheduler.run((core) => core.garbage(connection, what));
  }

  #nextRun(): number {
    this.#run = (this.#run + 1) % 2 ** 31;
    return this.#run;
  }
}
