// One request and its answer over a line.

import type { TransportName } from "./api.js";
import { Reply } from "./reply.js";
import type { Room } from "./room.js";
import type { Wire } from "./wire.js";

/** The characters of a request's head, about. */
const headChars = 500;

/** What is asked. */
export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What hears the answer. */
export interface Answering {
  /** `isWhole`: the text that came with it is all. */
  head(status: number, headers: Headers, text: string, isWhole: boolean): void;
  more(text: string): void;
  end(): void;
  /** The connection broke, before the head or after it. */
  failed(): void;
}

export class Exchange {
  readonly #wire: Wire;
  #client: Answering | undefined;

  constructor(room: Room, asked: Asked, client: Answering) {
    const { line } = room;
    const transport = transportOf(asked.url);
    const block = line.blockOf(transport);
    this.#client = client;
    this.#wire = line.wire(transport, () => this.#hear((client) => client.failed()));
    if (line.isCut || block === "csp") {
      // In a task of its own: a browser never fails synchronously.
      line.clock.setTimeout(() => this.#wire.cut(), 0);
    } else if (block !== "silent") {
      this.#wire.up(headChars + asked.body.length, () => {
        if (room.server.isUp && block === undefined) this.#arrive(room, asked);
        else this.#wire.cut();
      });
    }
  }

  /** The client wants no more of it; the hub hears of that when it can. */
  abort(): void {
    if (this.#client === undefined) return;
    this.#client = undefined;
    this.#wire.clientGone();
  }

  #arrive(room: Room, asked: Asked): void {
    const { line } = room;
    new Reply(room, this.#wire, asked, {
      head: (...head) => this.#hear((client) => client.head(...head)),
      more: (text) => this.#hear((client) => client.more(text)),
      end: () => this.#hear((client) => client.end()),
      failed: () => {},
    });
    if (asked.method === "GET" || line.duplicateRate === 0 || line.chance() >= line.duplicateRate) return;
    // A proxy that has lost its connection to the hub asks again; one of the answers is nobody's.
    const again = line.wire(undefined, () => {});
    again.up(asked.body.length, () => {
      const nobody = { head: () => again.cut(), more: () => {}, end: () => {}, failed: () => {} };
      if (room.server.isUp) new Reply(room, again, asked, nobody);
      else again.cut();
    });
  }

  #hear(tell: (client: Answering) => void): void {
    if (this.#client !== undefined) tell(this.#client);
  }
}

/**
 * What a network may let through or not. Publications are posted beside two of the transports, so
 * they are of none.
 */
function transportOf(url: URL): TransportName | undefined {
  if (url.pathname === "/v1/events") return "eventsource";
  return url.pathname === "/v1/poll" ? "longpoll" : undefined;
}
