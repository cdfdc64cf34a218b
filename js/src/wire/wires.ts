// The open connections of a client, one a transport at most while it moves from one to another, by the core's numbers.

import type { Core } from "../wasm/longhaul.js";
import { EventStream } from "./eventstream.js";
import { LongPoll } from "./longpoll.js";
import { connectionLost, post } from "./post.js";
import { Socket } from "./socket.js";
import type { Line, Wire } from "./wire.js";

/** What a connection brings, to the engine. */
export interface Receiver {
  /** A message event's data, and when it came. */
  heard(connection: number, data: unknown, nowMs: number): void;
  /** A frame that came as an answer. */
  received(connection: number, frame: string): void;
}

export class Wires {
  readonly #bases: readonly string[];
  readonly #core: Core;
  readonly #receiver: Receiver;
  readonly #wires = new Map<number, Wire>();

  /** `bases` are those of the hub, in order of preference, each with a slash at its end. */
  constructor(bases: readonly string[], core: Core, receiver: Receiver) {
    this.#bases = bases;
    this.#core = core;
    this.#receiver = receiver;
  }

  open(connection: number, transport: number, address: number, records: string): void {
    const line = this.#line(connection, this.#bases[address] ?? "");
    try {
      this.#wires.set(connection, openWire(transport, line, records));
    } catch {
      const why = "the browser refused to open a connection to this address";
      queueMicrotask(() => line.ended(connectionLost, why));
    }
  }

  /** Sends a frame, and says whether it can arrive. */
  send(connection: number, frame: string): boolean {
    return this.#wires.get(connection)?.send(frame) ?? false;
  }

  poll(connection: number, records: string): void {
    this.#wires.get(connection)?.poll?.(records);
  }

  abandonPosts(connection: number): void {
    this.#wires.get(connection)?.abandonPosts?.();
  }

  abandon(connection: number, code: number): void {
    const wire = this.#wires.get(connection);
    this.#wires.delete(connection);
    wire?.abandon(code);
  }

  #line(connection: number, base: string): Line {
    const core = this.#core;
    const receiver = this.#receiver;
    return {
      base,
      hello: () => core.hello(),
      post: (path, frame, signal) => post(base + path, core.bearer(), frame, signal),
      opened: () => core.opened(connection),
      heard: ({ data, timeStamp }) => receiver.heard(connection, data, timeStamp),
      received: (frame) => receiver.received(connection, frame),
      answered: (frame) => {
        receiver.received(connection, frame);
        core.answered(connection);
      },
      postFailed: (floorMs) => core.postFailed(connection, floorMs),
      ended: (code, detail = "", floorMs = 0) => {
        this.abandon(connection, code);
        core.ended(connection, code, detail, floorMs);
      },
    };
  }
}

function openWire(transport: number, line: Line, records: string): Wire {
  if (transport === 0) return new Socket(line);
  return transport === 1 ? new EventStream(line, records) : new LongPoll(line, records);
}
