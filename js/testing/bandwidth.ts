// The bandwidth of one direction of a line. Its connections send packets in turn, so that none
// waits for all data of another. A connection that ends drops its unsent data.

import type { Clock } from "./api.js";

/** Source: an Ethernet frame of 1,500 bytes without the heads of TCP and IP. */
const packetChars = 1_460;

/** The shortest turn, ms: the system's timers have this precision. */
const turnMs = 2;

interface Load {
  chars: number;
  readonly sent: () => void;
}

export class Bandwidth {
  readonly #clock: Clock;
  readonly #bytesPerSecond: () => number;
  /** The unsent data of each connection. The first one has the next turn. */
  readonly #queues = new Map<object, Load[]>();
  /** The connection whose packet is being sent. */
  #sender: object | undefined;
  #timer: unknown;
  /** When everything before that packet has been sent, by the clock's `elapsed`. */
  #freeMs = 0;

  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Sends data of a connection, after its earlier data. Calls `sent` when all of it has left. */
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

  /** Drops the unsent data of a connection. */
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
    // The others come first.
    if (queue.length > 0) this.#queues.set(sender, queue);
    this.#next();
    if (load.chars === 0) load.sent();
  }
}
