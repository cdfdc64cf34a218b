// The network between one device and the hub, with its delays and faults.

import type { Line as Api, BlockKind, Clock, CutOptions, TransportName } from "./api.js";
import { Bandwidth } from "./bandwidth.js";
import { Connection } from "./connection.js";
import type { Random } from "./random.js";

type State = "up" | "down" | "dark" | "held";

export class Line implements Api {
  readonly clock: Clock;
  readonly random: Random;
  latencyMs = 0;
  jitterMs = 0;
  bytesPerSecond = Number.POSITIVE_INFINITY;
  cutRate = 0;
  duplicateRate = 0;
  readonly #connections = new Set<Connection>();
  readonly #blocked = new Map<TransportName, BlockKind>();
  #state: State = "up";
  readonly up: Bandwidth;
  readonly down: Bandwidth;

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
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
    return this.#connections.size;
  }

  cut(options: CutOptions = {}): void {
    for (const connection of [...this.#connections]) {
      if (options.transport === undefined || connection.transport === options.transport) connection.cut();
    }
  }

  disconnect(): void {
    this.#state = "down";
    this.cut();
  }

  blackHole(): void {
    this.#state = "dark";
    for (const connection of this.#connections) connection.swallow();
  }

  hold(): void {
    this.#state = "held";
  }

  restore(): void {
    this.#state = "up";
    for (const connection of [...this.#connections]) connection.resume();
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

  /** Opens a connection. `cut` is called at the client's end if it breaks. */
  connect(transport: TransportName | undefined, cut: () => void): Connection {
    const connection = new Connection(this, transport, cut, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    if (this.isDark) connection.swallow();
    return connection;
  }
}
