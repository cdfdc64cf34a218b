// The hub's end of a request: hub/src/posts.rs and hub/src/events.rs in small.

import type { Answering, Asked } from "./exchange.js";
import type { Room } from "./room.js";
import type { Peer } from "./server.js";
import type { HubCore } from "./wasm/longhaul_testing.js";
import type { Wire } from "./wire.js";

/** The characters of an answer's head, about. */
const headChars = 500;
/**
 * A body arrives in pieces of so many characters. Chosen: what a socket's buffer holds at first.
 */
const pieceChars = 16_384;

/** What crates/testing/src/requests.rs tells. */
interface Told {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly conn?: number;
  readonly kind?: "poll" | "stream";
}

export class Reply implements Peer {
  readonly #room: Room;
  readonly #wire: Wire;
  readonly #client: Answering;
  #conn: number | undefined;
  #kind: Told["kind"];
  #isStreaming = false;
  #comment: unknown;

  constructor(room: Room, wire: Wire, asked: Asked, client: Answering) {
    this.#room = room;
    this.#wire = wire;
    this.#client = client;
    wire.lost = () => this.#left();
    count(room, asked.url);
    if (!isAccepted(room, asked)) {
      this.#tell(JSON.parse(room.server.act((core) => core.unauthorized())), true);
      return;
    }
    let told: Told | undefined;
    room.server.connect((core) => {
      const answered: Told = JSON.parse(request(core, room, asked));
      told = answered;
      this.#conn = answered.conn;
      this.#kind = answered.kind;
      return answered.conn;
    }, this);
    if (told === undefined || this.#kind === "poll") return;
    this.#tell(told, this.#kind === undefined);
    this.#isStreaming = this.#kind === "stream";
    if (this.#isStreaming) this.wake();
  }

  wake(): void {
    const { server } = this.#room;
    const conn = this.#conn ?? 0;
    if (this.#kind === "poll") {
      const told = server.act((core) => core.takeAnswer(conn));
      if (told === undefined) return;
      server.gone(conn);
      this.#tell(JSON.parse(told), true);
      return;
    }
    // Those that come before the head wait for it.
    while (this.#isStreaming && this.#wire.hasRoom(() => this.wake())) {
      const event = server.act((core) => core.takeEvent(conn));
      if (event === undefined) break;
      this.#more(event);
    }
    if (this.#isStreaming) this.#rest();
  }

  closed(code: number, reason: string): void {
    const { server } = this.#room;
    if (this.#kind === "poll") {
      this.#tell(JSON.parse(server.act((core) => core.closedAnswer(code, reason))), true);
      return;
    }
    this.#more(server.act((core) => core.closedEvent(code, reason)));
    this.#left();
    this.#wire.down(0, () => this.#end());
  }

  lost(): void {
    this.#left();
    this.#wire.hubGone();
  }

  /** Sends what is all, or what a stream begins with. */
  #tell(told: Told, isAll: boolean): void {
    const headers = new Headers();
    for (let i = 0; i + 1 < told.headers.length; i += 2) {
      headers.append(told.headers[i] ?? "", told.headers[i + 1] ?? "");
    }
    const first = told.body.slice(0, pieceChars);
    const isWhole = isAll && first.length === told.body.length;
    this.#wire.down(headChars + first.length, () => {
      if (isWhole) this.#wire.end();
      this.#client.head(told.status, headers, first, isWhole);
    });
    let at = pieceChars;
    // What the hub's socket does not take yet never burdens the line if the client leaves.
    const more = (): void => {
      for (; at < told.body.length; at += pieceChars) {
        if (!this.#wire.hasRoom(more)) return;
        this.#more(told.body.slice(at, at + pieceChars));
      }
      if (isAll) this.#wire.down(0, () => this.#end());
    };
    if (!isWhole) more();
  }

  #more(text: string): void {
    this.#wire.down(text.length, () => this.#client.more(text));
  }

  #end(): void {
    this.#wire.end();
    this.#client.end();
  }

  /** A silent stream gets a comment now and then (rule T2). */
  #rest(): void {
    const { clock, commentMs } = this.#room.server;
    clock.clearTimeout(this.#comment);
    this.#comment = clock.setTimeout(() => {
      this.#more(":\n\n");
      this.#rest();
    }, commentMs);
    (this.#comment as { unref?: () => void }).unref?.();
  }

  #left(): void {
    this.#isStreaming = false;
    this.#room.server.clock.clearTimeout(this.#comment);
    if (this.#conn !== undefined) this.#room.server.gone(this.#conn);
  }
}

function count(room: Room, url: URL): void {
  const { metrics } = room.server;
  metrics.requests += 1;
  if (url.pathname === "/v1/poll") metrics.polls += 1;
  else if (url.pathname === "/v1/events") metrics.streams += 1;
  else if (url.pathname === "/v1/publish") metrics.publishes += 1;
}

/** Whether the token of a client's post is accepted. A stream comes with a ticket instead. */
function isAccepted(room: Room, asked: Asked): boolean {
  if (!/^\/v1\/(publish|session|poll)$/.test(asked.url.pathname)) return true;
  const token = /^bearer +(\S+)/i.exec(asked.headers.get("authorization") ?? "")?.[1];
  return room.server.accepts(token);
}

function request(core: HubCore, room: Room, asked: Asked): string {
  const { method, url, body } = asked;
  const headers = JSON.stringify([...asked.headers].flat());
  const path = decodeURIComponent(url.pathname);
  const isServed = room.isOriginServed(asked.headers.get("origin"));
  return core.request(method, path, url.search.slice(1), headers, body, isServed);
}
