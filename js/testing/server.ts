// Drives a hub's core: its clock, its connections, and its effects. It contains no network.

import type { Clock, HubLimits, WasmSource } from "./api.js";
import { makeCore } from "./core.js";
import type { HubCore } from "./wasm/longhaul_testing.js";

/** The hub's end of a connection. */
export interface HubConnection {
  /** The core has something to send. */
  wake(): void;
  /** The core has closed it. */
  closed(code: number, reason: string): void;
  /** The hub's process is gone. */
  lost(): void;
}

type Effect = ["wake", number] | ["close", number, number, string] | ["drained"];

export interface ServerOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly limits: HubLimits;
  readonly wasm: WasmSource | undefined;
}

export class Server {
  readonly clock: Clock;
  /** The time between comments over a silent stream, ms. */
  readonly commentMs: number;
  /** The time that a socket has for a frame, ms. */
  readonly writeMs: number;
  /** How far the hub's wall clock is ahead, ms. */
  skewMs = 0;
  isUp = true;
  /** Whether the hub accepts a token. */
  accepts: (token: string | undefined) => boolean = () => true;
  readonly metrics = { sockets: 0, streams: 0, polls: 0, publishes: 0, requests: 0, frames: 0 };
  readonly #make: (seed: number, limits: string) => HubCore;
  readonly #limits: string;
  readonly #connections = new Map<number, HubConnection>();
  #seed: number;
  #core: HubCore;
  #timer: unknown;
  #drained: (() => void) | undefined;

  static async start(options: ServerOptions): Promise<Server> {
    return new Server(await makeCore(options.wasm), options);
  }

  private constructor(make: (seed: number, limits: string) => HubCore, options: ServerOptions) {
    const { transports, ...limits } = options.limits;
    this.#limits = JSON.stringify(
      transports === undefined ? limits : { ...limits, transports: transports.join() },
    );
    this.#make = make;
    this.#seed = options.seed;
    this.clock = options.clock;
    this.#core = make(this.#seed, this.#limits);
    [this.commentMs = 0, this.writeMs = 0] = this.#core.pacesMs();
  }

  get connections(): number {
    return this.#core.connections();
  }

  /** Calls the core, and executes its effects. */
  act<T>(call: (core: HubCore) => T): T {
    const core = this.#core;
    core.setTime(Math.floor(this.clock.elapsed()), Math.floor(this.clock.now() + this.skewMs));
    const outcome = call(core);
    const effects = core.effects();
    if (effects !== undefined) for (const effect of JSON.parse(effects) as Effect[]) this.#execute(effect);
    this.#arm();
    return outcome;
  }

  /** Opens a connection. The server knows its number before the first effect for it. */
  connect(open: (core: HubCore) => number | undefined, connection: HubConnection): number | undefined {
    return this.act((core) => {
      const conn = open(core);
      if (conn !== undefined) this.#connections.set(conn, connection);
      return conn;
    });
  }

  /** The connection has ended on the line or at the client. */
  gone(conn: number): void {
    if (this.#connections.delete(conn)) this.act((core) => core.closed(conn));
  }

  /** Ends all connections silently, and accepts none. */
  stop(): void {
    this.isUp = false;
    this.clock.clearTimeout(this.#timer);
    const connections = [...this.#connections];
    this.#connections.clear();
    for (const [conn, connection] of connections) {
      this.#core.closed(conn);
      connection.lost();
    }
    this.#core.effects();
  }

  /** Accepts connections again. Without its log it is a new hub. */
  start({ keepLog = false }: { keepLog?: boolean }): void {
    if (!keepLog) {
      this.#core.free();
      this.#seed += 1;
      this.#core = this.#make(this.#seed, this.#limits);
    }
    this.isUp = true;
    this.#arm();
  }

  /** Closes the connections one after the other, as a hub does before it stops. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.act((core) => core.drain());
    });
  }

  #execute(effect: Effect): void {
    if (effect[0] === "drained") {
      this.#drained?.();
      return;
    }
    const connection = this.#connections.get(effect[1]);
    if (effect[0] === "wake") {
      connection?.wake();
    } else {
      this.#connections.delete(effect[1]);
      connection?.closed(effect[2], effect[3]);
    }
  }

  #arm(): void {
    this.clock.clearTimeout(this.#timer);
    const deadlineMs = this.isUp ? this.#core.deadline() : undefined;
    if (deadlineMs === undefined) return;
    const restMs = Math.max(0, deadlineMs - Math.floor(this.clock.elapsed()));
    this.#timer = this.clock.setTimeout(() => this.act((core) => core.tick()), restMs);
    // A hub that only waits must not keep a Node process alive.
    (this.#timer as { unref?: () => void }).unref?.();
  }
}
