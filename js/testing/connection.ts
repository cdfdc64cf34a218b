// One connection over a line: two directions, each in order. It knows nothing about its content.

import type { Clock, TransportName } from "./api.js";
import type { Bandwidth } from "./bandwidth.js";
import type { Random } from "./random.js";

/** The line on which the connection is. */
export interface Path {
  readonly clock: Clock;
  readonly random: Random;
  readonly up: Bandwidth;
  readonly down: Bandwidth;
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly cutRate: number;
  readonly isHeld: boolean;
}

/**
 * The characters in flight after which the hub has to wait. Source: UNSENT_BYTES in the hub's
 * listener.
 */
const bufferCharsMax = 32_768;

/**
 * The time after which the hub's system closes a connection without acknowledgements, ms. Source:
 * UNACKNOWLEDGED_MS in the hub's listener.
 */
const unacknowledgedMs = 35_000;

interface Piece {
  readonly chars: number;
  readonly arrive: () => void;
  /** When it arrives, by the clock's `elapsed`; undefined until the line has sent it. */
  atMs: number | undefined;
  /** Whether the connection breaks instead. */
  isLost: boolean;
}

interface Direction {
  readonly pieces: Piece[];
  chars: number;
  lastMs: number;
  timer: unknown;
  /** Called when the hub may send more. */
  drained: (() => void) | undefined;
}

export class Connection {
  readonly transport: TransportName | undefined;
  readonly #line: Path;
  readonly #cut: () => void;
  readonly #gone: () => void;
  readonly #up = direction();
  readonly #down = direction();
  /** Called at the hub's end when the connection breaks. */
  lost: () => void = () => {};
  #isOver = false;
  #isSwallowed = false;
  #acknowledgementTimer: unknown;

  constructor(line: Path, transport: TransportName | undefined, cut: () => void, gone: () => void) {
    this.#line = line;
    this.transport = transport;
    this.#cut = cut;
    this.#gone = gone;
  }

  /** Towards the hub. */
  up(chars: number, arrive: () => void): void {
    this.#send(this.#up, "up", chars, arrive);
  }

  /** Towards the client. */
  down(chars: number, arrive: () => void): void {
    this.#send(this.#down, "down", chars, arrive);
  }

  /** Whether the hub may send more now. If not, `drained` is called later. */
  canSend(drained: () => void): boolean {
    if (this.#down.chars < bufferCharsMax) return true;
    this.#down.drained = drained;
    return false;
  }

  /** Characters that have not reached the hub. */
  get charsUp(): number {
    return this.#up.chars;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The hub's end closes. The client learns that if the line still works. */
  hubGone(): void {
    this.lost = () => {};
    if (!this.#isSwallowed) this.cut();
  }

  /** The client's end closes. The hub learns that if the line still works. */
  clientGone(): void {
    if (this.#isSwallowed) this.#gone();
    else this.up(0, () => this.cut());
  }

  /** Breaks the connection. Both ends learn that, and everything in flight is lost. */
  cut(): void {
    if (this.#isOver) return;
    const { lost } = this;
    this.end();
    this.#cut();
    lost();
  }

  /** From here on nothing passes, and neither end learns that. */
  swallow(): void {
    this.#isSwallowed = true;
    this.#halt();
    if (this.#down.pieces.length > 0) this.#awaitAcknowledgement();
  }

  /** Continues after a hold. */
  resume(): void {
    for (const each of [this.#up, this.#down]) this.#arm(each);
  }

  /** Ends the connection regularly. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#halt();
    this.#line.clock.clearTimeout(this.#acknowledgementTimer);
    this.#gone();
  }

  #halt(): void {
    for (const each of [this.#line.up, this.#line.down]) each.withdraw(this);
    for (const each of [this.#up, this.#down]) {
      this.#line.clock.clearTimeout(each.timer);
      each.timer = undefined;
    }
  }

  #awaitAcknowledgement(): void {
    this.#acknowledgementTimer ??= this.#line.clock.setTimeout(() => this.lost(), unacknowledgedMs);
  }

  #send(way: Direction, name: "up" | "down", chars: number, arrive: () => void): void {
    if (this.#isOver) return;
    const piece: Piece = { chars, arrive, atMs: undefined, isLost: false };
    way.chars += chars;
    way.pieces.push(piece);
    if (this.#isSwallowed) {
      if (name === "down") this.#awaitAcknowledgement();
      this.#sent(way, piece);
    } else {
      this.#line[name].send(this, chars, () => this.#sent(way, piece));
    }
  }

  #sent(way: Direction, piece: Piece): void {
    const { clock, random, latencyMs, jitterMs, cutRate } = this.#line;
    const atMs = clock.elapsed() + latencyMs + (jitterMs && jitterMs * random());
    piece.atMs = way.lastMs = Math.max(way.lastMs, atMs);
    piece.isLost = cutRate > 0 && random() < cutRate;
    this.#arm(way);
  }

  #arm(way: Direction): void {
    const next = way.pieces[0];
    if (next?.atMs === undefined || way.timer !== undefined || this.#isSwallowed || this.#isOver) return;
    const { clock } = this.#line;
    way.timer = clock.setTimeout(() => this.#arrive(way), Math.max(0, next.atMs - clock.elapsed()));
  }

  /** Delivers one piece in each task, as browsers deliver events. */
  #arrive(way: Direction): void {
    way.timer = undefined;
    if (this.#line.isHeld) return;
    const next = way.pieces.shift();
    if (next === undefined) return;
    way.chars -= next.chars;
    if (next.isLost) {
      this.cut();
      return;
    }
    this.#arm(way);
    const { drained } = way;
    if (drained !== undefined && way.chars < bufferCharsMax) {
      way.drained = undefined;
      drained();
    }
    next.arrive();
  }
}

function direction(): Direction {
  return { pieces: [], chars: 0, lastMs: 0, timer: undefined, drained: undefined };
}
