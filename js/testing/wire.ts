// One connection over a line: two directions, each in order. Knows nothing of what it carries.

import type { TransportName } from "./api.js";
import type { Line } from "./line.js";

/**
 * What a connection takes before the hub has to wait, characters. Source: UNSENT_BYTES in
 * hub/src/listener.rs.
 */
const bufferCharsMax = 32_768;

/**
 * When the hub's system gives up a connection on which nothing is acknowledged, ms. Source:
 * UNACKNOWLEDGED_MS in hub/src/listener.rs.
 */
const unacknowledgedMs = 35_000;

interface Piece {
  readonly chars: number;
  readonly arrive: () => void;
  /** When it arrives; undefined as long as the line has not sent it. */
  atMs: number | undefined;
  /** The connection breaks in its place. */
  isLost: boolean;
}

interface Direction {
  readonly pieces: Piece[];
  chars: number;
  lastMs: number;
  timer: unknown;
  /** Told when there is room again. */
  room: (() => void) | undefined;
}

export class Wire {
  readonly transport: TransportName | undefined;
  readonly #line: Line;
  readonly #cut: () => void;
  readonly #gone: () => void;
  readonly #up = direction();
  readonly #down = direction();
  /** Told the hub's end when the wire has broken. */
  lost: () => void = () => {};
  #isOver = false;
  #isSwallowed = false;
  #giveUp: unknown;

  constructor(line: Line, transport: TransportName | undefined, cut: () => void, gone: () => void) {
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

  /** Whether the hub may send more now; if not, `room` is told when it may. */
  hasRoom(room: () => void): boolean {
    if (this.#down.chars < bufferCharsMax) return true;
    this.#down.room = room;
    return false;
  }

  /** Characters that have not reached the hub. */
  get charsUp(): number {
    return this.#up.chars;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The hub's end is gone, which the client hears if anything gets through. */
  hubGone(): void {
    this.lost = () => {};
    if (!this.#isSwallowed) this.cut();
  }

  /** The client has let go of it, which the hub hears if anything gets through. */
  clientGone(): void {
    if (this.#isSwallowed) this.#gone();
    else this.up(0, () => this.cut());
  }

  /** Breaks: both ends hear of it, what is under way is lost. */
  cut(): void {
    if (this.#isOver) return;
    const { lost } = this;
    this.end();
    this.#cut();
    lost();
  }

  /** From here on nothing passes, and no end hears why. */
  swallow(): void {
    this.#isSwallowed = true;
    this.#halt();
    if (this.#down.pieces.length > 0) this.#awaitAcknowledgement();
  }

  /** What was held goes on. */
  resume(): void {
    for (const each of [this.#up, this.#down]) this.#arm(each);
  }

  /** Over, in good order. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#halt();
    this.#line.clock.clearTimeout(this.#giveUp);
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
    this.#giveUp ??= this.#line.clock.setTimeout(() => this.lost(), unacknowledgedMs);
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
    const { clock, chance, latencyMs, jitterMs, cutRate } = this.#line;
    const atMs = clock.elapsed() + latencyMs + (jitterMs && jitterMs * chance());
    piece.atMs = way.lastMs = Math.max(way.lastMs, atMs);
    piece.isLost = cutRate > 0 && chance() < cutRate;
    this.#arm(way);
  }

  #arm(way: Direction): void {
    const next = way.pieces[0];
    if (next?.atMs === undefined || way.timer !== undefined || this.#isSwallowed || this.#isOver) return;
    const { clock } = this.#line;
    way.timer = clock.setTimeout(() => this.#arrive(way), Math.max(0, next.atMs - clock.elapsed()));
  }

  /** One piece a task, as events come. */
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
    const { room } = way;
    if (room !== undefined && way.chars < bufferCharsMax) {
      way.room = undefined;
      room();
    }
    next.arrive();
  }
}

function direction(): Direction {
  return { pieces: [], chars: 0, lastMs: 0, timer: undefined, room: undefined };
}
