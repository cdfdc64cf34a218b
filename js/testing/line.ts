// One page's way to the hub: how long it takes, and what goes wrong on it. What is open on it is a
// wire each.

import type { Line as Api, BlockKind, Clock, CutOptions, TransportName } from "./api.js";
import { Bandwidth } from "./bandwidth.js";
import type { Chance } from "./chance.js";
import { Wire } from "./wire.js";

type State = "up" | "down" | "dark" | "held";

export class Line implements Api {
  readonly clock: Clock;
  readonly chance: Chance;
  latencyMs = 0;
  jitterMs = 0;
  bytesPerSecond = Number.POSITIVE_INFINITY;
  cutRate = 0;
  duplicateRate = 0;
  readonly #wires = new Set<Wire>();
  readonly #blocked = new Map<TransportName, BlockKind>();
  #state: State = "up";
  readonly up: Bandwidth;
  readonly down: Bandwidth;

  constructor(clock: Clock, chance: Chance) {
    this.clock = clock;
    this.chance = chance;
    const bytesPerSecond = (): number => this.bytesPerSecond;
    this.up = new Bandwidth(clock, bytesPerSecond);
    this.down = new Bandwidth(clock, bytesPerSecond);
  }

  get isCut(): boolean {
    return this.#state === "down";
  }

  get isDark(): boolean {
    return this.#state === "dark";
  }

  get isHeld(): boolean {
    return this.#state === "held";
  }

  get open(): number {
    return this.#wires.size;
  }

  cut(options: CutOptions = {}): void {
    for (const wire of [...this.#wires]) {
      if (options.transport === undefined || wire.transport === options.transport) wire.cut();
    }
  }

  disconnect(): void {
    this.#state = "down";
    this.cut();
  }

  blackHole(): void {
    this.#state = "dark";
    for (const wire of this.#wires) wire.swallow();
  }

  hold(): void {
    this.#state = "held";
  }

  restore(): void {
    this.#state = "up";
    for (const wire of [...this.#wires]) wire.resume();
  }

  block(transport: TransportName, kind: BlockKind = "refused"): void {
    this.#blocked.set(transport, kind);
  }

  unblock(transport?: TransportName): void {
    if (transport === undefined) this.#blocked.clear();
    else this.#blocked.delete(transport);
  }

  blockOf(transport: TransportName | undefined): BlockKind | undefined {
    return transport && this.#blocked.get(transport);
  }

  /** A connection over it, whose client's end hears when it is cut. */
  wire(transport: TransportName | undefined, cut: () => void): Wire {
    const wire = new Wire(this, transport, cut, () => this.#wires.delete(wire));
    this.#wires.add(wire);
    if (this.isDark) wire.swallow();
    return wire;
  }
}
