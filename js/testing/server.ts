// Drives a hub's core: its clock, its connections, and what it has to say to them. No network here.

import type { Clock, HubLimits, WasmSource } from "./api.js";
import { makeCore } from "./core.js";
import type { HubCore } from "./wasm/longhaul_testing.js";

/** What the core speaks to: the hub's end of a connection. */
export interface Peer {
  /** There is something to take. */
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
  /** How often a silent stream gets a comment, ms. */
  readonly commentMs: number;
  /** How long a socket may take for a frame, ms. */
  readonly writeMs: number;
  /** How far the hub's clock is ahead. */
  skewMs = 0;
  isUp = true;
  /** Whether it accepts a token. */
  accepts: (token: string | undefined) => boolean = () => true;
  readonly metrics = { sockets: 0, streams: 0, polls: 0, publishes: 0, requests: 0, frames: 0 };
  readonly #make: (seed: number, limits: string) => HubCore;
  readonly #limits: string;
  readonly #peers = new Map<number, Peer>();
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

  /** Does something with the core, and what follows from it. */
  act<T>(does: (core: HubCore) => T): T {
    const core = this.#core;
    core.setTime(Math.floor(this.clock.elapsed()), Math.floor(this.clock.now() + this.skewMs));
    const outcome = does(core);
    const effects = core.effects();
    if (effects !== undefined) for (const effect of JSON.parse(effects) as Effect[]) this.#follow(effect);
    this.#arm();
    return outcome;
  }

  /** Opens a connection: its number is known before anything is told to its peer. */
  connect(open: (core: HubCore) => number | undefined, peer: Peer): number | undefined {
    return this.act((core) => {
      const conn = open(core);
      if (conn !== undefined) this.#peers.set(conn, peer);
      return conn;
    });
  }

  /** The connection has ended on the way or at the client. */
  gone(conn: number): void {
    if (this.#peers.delete(conn)) this.act((core) => core.closed(conn));
  }

  /** Everything open ends without a word, and nobody is let in. */
  stop(): void {
    this.isUp = false;
    this.clock.clearTimeout(this.#timer);
    const peers = [...this.#peers];
    this.#peers.clear();
    for (const [conn, peer] of peers) {
      this.#core.closed(conn);
      peer.lost();
    }
    this.#core.effects();
  }

  /** Lets people in again; without its logs it is another hub. */
  start(keepLog: boolean): void {
    if (!keepLog) {
      this.#core.free();
      this.#seed += 1;
      this.#core = this.#make(this.#seed, this.#limits);
    }
    this.isUp = true;
    this.#arm();
  }

  /** Lets the clients go one after the other, as a hub does that is told to stop. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.act((core) => core.drain());
    });
  }

  #follow(effect: Effect): void {
    if (effect[0] === "drained") {
      this.#drained?.();
      return;
    }
    const peer = this.#peers.get(effect[1]);
    if (effect[0] === "wake") {
      peer?.wake();
    } else {
      this.#peers.delete(effect[1]);
      peer?.closed(effect[2], effect[3]);
    }
  }

  #arm(): void {
    this.clock.clearTimeout(this.#timer);
    const deadlineMs = this.isUp ? this.#core.deadline() : undefined;
    if (deadlineMs === undefined) return;
    const restMs = Math.max(0, deadlineMs - Math.floor(this.clock.elapsed()));
    this.#timer = this.clock.setTimeout(() => this.act((core) => core.tick()), restMs);
    // A hub that only waits keeps no program of Node from its end.
    (this.#timer as { unref?: () => void }).unref?.();
  }
}
