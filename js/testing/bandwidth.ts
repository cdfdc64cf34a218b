// One direction of a line. Its connections share it fairly, a packet each in turn: none of them waits for all that another
// one has to send, and one that ends gives up what it has not sent.

import type { Clock } from "./api.js";

/** Source: what TCP and IP leave of an Ethernet frame of 1,500 bytes. */
const packetChars = 1_460;

/** The least that a turn takes: the system's timers are no finer. */
const turnMs = 2;

interface Load {
  chars: number;
  readonly sent: () => void;
}

export class Bandwidth {
  readonly #clock: Clock;
  readonly #bytesPerSecond: () => number;
  /** What each connection has to send; the next turn is the first one's. */
  readonly #queues = new Map<object, Load[]>();
  /** Whose packet is on its way. */
  #sender: object | undefined;
  #timer: unknown;
  /** When everything before that packet has been sent. */
  #freeMs = 0;

  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Sends for a connection, after what it sent before; tells `sent` when all of it has left. */
  send(sender: object, chars: number, sent: () => void): void {
    const queue = this.#queues.get(sender);
    if (queue !== undefined) {
      queue.push({ chars, sent });
    } else if (Number.isFinite(this.#bytesPerSecond())) {
      this.#queues.set(sender, [{ chars, sent }]);
      this.#next();
    } else {
      sent();
    }
  }

  /** The connection has nothing to send any more. */
  withdraw(sender: object): void {
    this.#queues.delete(sender);
    if (this.#sender !== sender) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sender = undefined;
    this.#next();
  }

  #next(): void {
    if (this.#sender !== undefined) return;
    for (const [sender, [load]] of this.#queues) {
      if (load === undefined) continue;
      const charsPerMs = this.#bytesPerSecond() / 1_000;
      const chars = Math.min(load.chars, Math.max(packetChars, turnMs * charsPerMs));
      const nowMs = this.#clock.elapsed();
      this.#freeMs = Math.max(this.#freeMs, nowMs) + chars / charsPerMs;
      this.#sender = sender;
      this.#timer = this.#clock.setTimeout(() => this.#sent(sender, load, chars), this.#freeMs - nowMs);
      return;
    }
  }

  #sent(sender: object, load: Load, chars: number): void {
    load.chars -= chars;
    this.#sender = undefined;
    this.#timer = undefined;
    const queue = this.#queues.get(sender) ?? [];
    this.#queues.delete(sender);
    if (load.chars === 0) queue.shift();
    // Behind the others.
    if (queue.length > 0) this.#queues.set(sender, queue);
    this.#next();
    if (load.chars === 0) load.sent();
  }
}
