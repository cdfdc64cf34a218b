// The hub's end of a request. It does in small what hub/src does with sockets.

import type { Connection } from "./connection.js";
import type { Device } from "./device.js";
import type { HubRequest, ResponseHandler } from "./request.js";
import type { HubConnection } from "./server.js";
import type { HubCore } from "./wasm/longhaul_testing.js";

/** The approximate size of an answer's head. */
const headChars = 500;
/** The size of the pieces of a body. Chosen: the initial size of a socket's buffer. */
const pieceChars = 16_384;

/** An answer as crates/testing/src/requests.rs writes it. */
interface HubAnswer {
  readonly status: number;
  /** Names and values, alternating. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly conn?: number;
  readonly kind?: "poll" | "stream";
}

export class Reply implements HubConnection {
  readonly #device: Device;
  readonly #connection: Connection;
  readonly #client: ResponseHandler;
  #conn: number | undefined;
  #kind: HubAnswer["kind"];
  #isStreaming = false;
  #comment: unknown;

  constructor(device: Device, connection: Connection, request: HubRequest, client: ResponseHandler) {
    this.#device = device;
    this.#connection = connection;
    this.#client = client;
    connection.lost = () => this.#left();
    count(device, request.url);
    if (!isAccepted(device, request)) {
      this.#send(JSON.parse(device.server.act((core) => core.unauthorized())), { isComplete: true });
      return;
    }
    let answer: HubAnswer | undefined;
    device.server.connect((core) => {
      const answered: HubAnswer = JSON.parse(ask(core, device, request));
      answer = answered;
      this.#conn = answered.conn;
      this.#kind = answered.kind;
      return answered.conn;
    }, this);
    if (answer === undefined || this.#kind === "poll") return;
    this.#send(answer, { isComplete: this.#kind === undefined });
    this.#isStreaming = this.#kind === "stream";
    if (this.#isStreaming) this.wake();
  }

  wake(): void {
    const { server } = this.#device;
    const conn = this.#conn ?? 0;
    if (this.#kind === "poll") {
      const answer = server.act((core) => core.takeAnswer(conn));
      if (answer === undefined) return;
      server.gone(conn);
      this.#send(JSON.parse(answer), { isComplete: true });
      return;
    }
    // Events wait for the head.
    while (this.#isStreaming && this.#connection.canSend(() => this.wake())) {
      const event = server.act((core) => core.takeEvent(conn));
      if (event === undefined) break;
      this.#more(event);
    }
    if (this.#isStreaming) this.#scheduleComment();
  }

  closed(code: number, reason: string): void {
    const { server } = this.#device;
    if (this.#kind === "poll") {
      this.#send(JSON.parse(server.act((core) => core.closedAnswer(code, reason))), { isComplete: true });
      return;
    }
    this.#more(server.act((core) => core.closedEvent(code, reason)));
    this.#left();
    this.#connection.down(0, () => this.#end());
  }

  lost(): void {
    this.#left();
    this.#connection.hubGone();
  }

  /** Sends a complete answer, or the beginning of a stream. */
  #send(answer: HubAnswer, { isComplete }: { isComplete: boolean }): void {
    const headers = new Headers();
    for (let i = 0; i + 1 < answer.headers.length; i += 2) {
      headers.append(answer.headers[i] ?? "", answer.headers[i + 1] ?? "");
    }
    const first = answer.body.slice(0, pieceChars);
    const isWhole = isComplete && first.length === answer.body.length;
    this.#connection.down(headChars + first.length, () => {
      if (isWhole) this.#connection.end();
      this.#client.head({ status: answer.status, headers, text: first, isWhole });
    });
    let at = pieceChars;
    // The rest waits in the hub: if the client leaves, it never uses the line.
    const more = (): void => {
      for (; at < answer.body.length; at += pieceChars) {
        if (!this.#connection.canSend(more)) return;
        this.#more(answer.body.slice(at, at + pieceChars));
      }
      if (isComplete) this.#connection.down(0, () => this.#end());
    };
    if (!isWhole) more();
  }

  #more(text: string): void {
    this.#connection.down(text.length, () => this.#client.more(text));
  }

  #end(): void {
    this.#connection.end();
    this.#client.end();
  }

  /** Sends a comment over a silent stream from time to time (rule T2). */
  #scheduleComment(): void {
    const { clock, commentMs } = this.#device.server;
    clock.clearTimeout(this.#comment);
    this.#comment = clock.setTimeout(() => {
      this.#more(":\n\n");
      this.#scheduleComment();
    }, commentMs);
    (this.#comment as { unref?: () => void }).unref?.();
  }

  #left(): void {
    this.#isStreaming = false;
    this.#device.server.clock.clearTimeout(this.#comment);
    if (this.#conn !== undefined) this.#device.server.gone(this.#conn);
  }
}

function count(device: Device, url: URL): void {
  const { metrics } = device.server;
  metrics.requests += 1;
  if (url.pathname === "/v1/poll") metrics.polls += 1;
  else if (url.pathname === "/v1/events") metrics.streams += 1;
  else if (url.pathname === "/v1/publish") metrics.publishes += 1;
}

/** Whether the hub accepts the token of a client's post. A stream has a ticket instead. */
function isAccepted(device: Device, request: HubRequest): boolean {
  if (!/^\/v1\/(publish|session|poll)$/.test(request.url.pathname)) return true;
  const token = /^bearer +(\S+)/i.exec(request.headers.get("authorization") ?? "")?.[1];
  return device.server.accepts(token);
}

function ask(core: HubCore, device: Device, request: HubRequest): string {
  const { method, url, body } = request;
  const headers = JSON.stringify([...request.headers].flat());
  const path = decodeURIComponent(url.pathname);
  const isServed = device.isOriginServed(request.headers.get("origin"));
  return core.request(method, path, url.search.slice(1), headers, body, isServed);
}
