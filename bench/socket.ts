// A fake WebSocket, which replaces the page's own class. A scripted server answers as far as a
// subscriber needs it, and the bench calls the client's own handler with frames.

import type { Receiver } from "./peer.js";

export type Data = string | ArrayBuffer;

/** The script of a peer's own server until the client has its subscriptions. */
export interface Server {
  /** The subprotocol of the handshake's answer. */
  readonly protocol: string;
  /** The frames that it sends when the socket opens. */
  opened(): Data[];
  /** Its answers to a frame. */
  answer(frame: Data): Data[];
}

let server: Server | undefined;
let last: FakeSocket | undefined;

class FakeSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readyState = FakeSocket.CONNECTING;
  binaryType = "blob";
  readonly bufferedAmount = 0;
  readonly protocol: string;
  onopen: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  /** Everything that the client sent. */
  readonly sent: Data[] = [];
  readonly #server: Server;

  constructor() {
    if (server === undefined) throw new Error("there is no server to connect to");
    this.#server = server;
    this.protocol = server.protocol;
    last = this;
    queueMicrotask(() => {
      this.readyState = FakeSocket.OPEN;
      this.onopen?.(new Event("open"));
      for (const frame of this.#server.opened()) this.#deliver(frame);
    });
  }

  send(data: Data | Uint8Array<ArrayBuffer>): void {
    const frame = data instanceof Uint8Array ? data.slice().buffer : data;
    this.sent.push(frame);
    for (const answer of this.#server.answer(frame)) queueMicrotask(() => this.#deliver(answer));
  }

  close(): void {
    if (this.readyState === FakeSocket.CLOSED) return;
    this.readyState = FakeSocket.CLOSED;
    queueMicrotask(() => this.onclose?.(new CloseEvent("close", { code: 1000, wasClean: true })));
  }

  #deliver(data: Data): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }
}

/** Replaces the page's WebSocket for good. */
export function replaceWebSocket(): void {
  Object.defineProperty(globalThis, "WebSocket", { value: FakeSocket });
}

/** Makes this the server of all sockets that open from now on. */
export function serve(by: Server): void {
  server = by;
}

/** The client's message handler on the last socket, once `isReady` says that it is subscribed. */
export async function handler(isReady: () => boolean): Promise<Receiver["receive"]> {
  const endMs = performance.now() + 5_000;
  while (!isReady() || last?.onmessage == null) {
    if (performance.now() > endMs) throw new Error("the client did not get its subscriptions within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return last.onmessage;
}

/** The text frames that the client of the last socket has sent. */
export function sentTexts(): string[] {
  return last?.sent.filter((frame) => typeof frame === "string") ?? [];
}
