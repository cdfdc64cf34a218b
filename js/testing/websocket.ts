// A WebSocket as in browsers, to the hub of a test.

import type { Connection } from "./connection.js";
import type { Device } from "./device.js";
import { closeEvent, defineHandlers } from "./events.js";
import type { HubConnection, Server } from "./server.js";

/** The approximate size of an upgrade, and of its answer. */
const handshakeChars = 500;
/** The approximate size of the head of a frame. */
const frameChars = 8;
/** How long a browser waits for the answer to a close, ms. Source: browsers wait 2 s or longer. */
const closingMs = 60_000;
const reasonBytesMax = 123;

export class FakeWebSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly url: string;
  readonly extensions = "";
  binaryType: BinaryType = "blob";
  #readyState = 0;
  #protocol = "";
  readonly #connection: Connection;
  readonly #device: Device;
  #closing: unknown;
  #discarded = 0;

  constructor(device: Device, address: string | URL, protocols: string | readonly string[] = []) {
    super();
    this.#device = device;
    const url = checkUrl(address);
    const offered = checkProtocols(typeof protocols === "string" ? [protocols] : [...protocols]);
    this.url = url.href;
    const block = device.line.blockOf("websocket");
    this.#connection = device.line.connect("websocket", () => this.#fail());
    if (device.line.isCut) {
      this.#later(() => this.#connection.cut());
    } else if (block === "csp") {
      // Chromium fires no close event here.
      this.#later(() => {
        if (this.#readyState !== 0) return;
        this.#connection.end();
        this.#readyState = 3;
        this.dispatchEvent(new Event("error"));
      });
    } else if (block !== "silent") {
      const isServed = block === undefined && device.isHub(url) && url.pathname === "/v1/connect";
      this.#connection.up(handshakeChars, () => {
        if (isServed && device.server.isUp) this.#accept(offered);
        else this.#connection.cut();
      });
    }
  }

  get readyState(): number {
    return this.#readyState;
  }

  get protocol(): string {
    return this.#protocol;
  }

  get bufferedAmount(): number {
    return (this.#readyState === 1 ? this.#connection.charsUp : 0) + this.#discarded;
  }

  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
    if (this.#readyState === 0) {
      throw new DOMException("Still in CONNECTING state.", "InvalidStateError");
    }
    const chars = typeof data === "string" ? data.length : "size" in data ? data.size : data.byteLength;
    if (this.#readyState !== 1) {
      this.#discarded += chars;
      return;
    }
    this.#connection.up(chars + frameChars, () => {
      if (typeof data === "string") this.#end.frame(data);
      else this.#end.notText();
    });
  }

  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== 1_000 && !(code >= 3_000 && code <= 4_999)) {
      throw new DOMException(`The close code must be 1000, or between 3000 and 4999.`, "InvalidAccessError");
    }
    if (new TextEncoder().encode(reason).length > reasonBytesMax) {
      throw new DOMException("The close reason is over 123 bytes.", "SyntaxError");
    }
    if (this.#readyState > 1) return;
    const wasOpen = this.#readyState === 1;
    this.#readyState = 2;
    if (!wasOpen) {
      this.#later(() => this.#connection.cut());
      return;
    }
    const { clock } = this.#device.line;
    this.#closing = clock.setTimeout(() => {
      this.#connection.clientGone();
      this.#fail();
    }, closingMs);
    (this.#closing as { unref?: () => void }).unref?.();
    this.#connection.up(frameChars, () => {
      this.#end.left();
      this.#connection.down(frameChars, () => this.#over({ code: code ?? 1_005, reason, wasClean: true }));
    });
  }

  #end!: HubEnd;

  #accept(offered: readonly string[]): void {
    const { server, origin, isOriginServed } = this.#device;
    server.metrics.sockets += 1;
    const connection = this.#connection;
    const protocol = server.act((core) => core.subprotocol(offered.join()));
    if (protocol === undefined) {
      connection.cut();
      return;
    }
    connection.down(handshakeChars, () => {
      if (this.#readyState !== 0) return;
      this.#readyState = 1;
      this.#protocol = protocol;
      this.dispatchEvent(new Event("open"));
    });
    const refusal = server.act((core) => core.refusal(protocol, isOriginServed(origin)));
    this.#end = new HubEnd(server, connection, refusal && JSON.parse(refusal), {
      frame: (text) => {
        if (this.#readyState !== 1) return;
        const origin = new URL(this.url).origin;
        this.dispatchEvent(new MessageEvent("message", { data: text, origin }));
      },
      close: (code, reason) => this.#over({ code, reason, wasClean: true }),
    });
  }

  /** The connection is lost. */
  #fail(): void {
    if (this.#readyState === 3) return;
    const wasClosing = this.#readyState === 2;
    this.#device.line.clock.clearTimeout(this.#closing);
    this.#readyState = 3;
    if (!wasClosing || this.#protocol === "") this.dispatchEvent(new Event("error"));
    this.dispatchEvent(closeEvent({ code: 1_006, reason: "", wasClean: false }));
  }

  #over(init: CloseEventInit): void {
    if (this.#readyState === 3) return;
    this.#device.line.clock.clearTimeout(this.#closing);
    this.#connection.end();
    this.#readyState = 3;
    this.dispatchEvent(closeEvent(init));
  }

  /** Runs a task later: a browser never fires synchronously. */
  #later(task: () => void): void {
    this.#device.line.clock.setTimeout(task, 0);
  }
}

defineHandlers(FakeWebSocket.prototype, ["open", "message", "error", "close"]);

/** The client's end of a socket, for the hub's end. */
interface ClientEnd {
  frame(text: string): void;
  close(code: number, reason: string): void;
}

/** The hub's end of a socket. It does in small what hub/src does with sockets. */
class HubEnd implements HubConnection {
  readonly #server: Server;
  readonly #connection: Connection;
  readonly #client: ClientEnd;
  readonly #conn: number;
  #isOver = false;
  #stalled: unknown;

  /** `refusal` is the close code and the reason, if the hub refuses the socket. */
  constructor(
    server: Server,
    connection: Connection,
    refusal: [number, string] | undefined,
    client: ClientEnd,
  ) {
    this.#server = server;
    this.#connection = connection;
    this.#client = client;
    connection.lost = () => this.left();
    this.#conn = refusal === undefined ? (server.connect((core) => core.opened(), this) ?? 0) : 0;
    if (refusal !== undefined) this.closed(...refusal);
  }

  frame(text: string): void {
    if (this.#isOver) return;
    this.#server.metrics.frames += 1;
    const token = tokenIn(text);
    if (token !== undefined && !this.#server.accepts(token || undefined)) {
      const close = this.#server.act((core) => core.unauthorizedClose());
      this.#server.gone(this.#conn);
      this.closed(...(JSON.parse(close) as [number, string]));
      return;
    }
    this.#server.act((core) => core.frame(this.#conn, text));
  }

  notText(): void {
    if (!this.#isOver) this.#server.act((core) => core.notText(this.#conn));
  }

  left(): void {
    this.#finish();
    this.#server.gone(this.#conn);
  }

  wake(): void {
    this.#server.clock.clearTimeout(this.#stalled);
    while (!this.#isOver) {
      if (!this.#connection.canSend(() => this.wake())) {
        const { clock, writeMs } = this.#server;
        this.#stalled = clock.setTimeout(() => this.#server.act((core) => core.stalled(this.#conn)), writeMs);
        (this.#stalled as { unref?: () => void }).unref?.();
        return;
      }
      const frame = this.#server.act((core) => core.takeFrame(this.#conn));
      if (frame === undefined) return;
      this.#connection.down(frame.length + frameChars, () => this.#client.frame(frame));
    }
  }

  closed(code: number, reason: string): void {
    this.#finish();
    this.#connection.down(frameChars + reason.length, () => this.#client.close(code, reason));
  }

  lost(): void {
    this.#finish();
    this.#connection.hubGone();
  }

  #finish(): void {
    this.#isOver = true;
    this.#server.clock.clearTimeout(this.#stalled);
  }
}

/** The token in a frame (rule C9): empty for a hello without one, undefined for other frames. */
function tokenIn(frame: string): string | undefined {
  for (const record of frame.split("\n")) {
    const auth = /^auth (\S+)/.exec(record)?.[1];
    if (auth !== undefined) return auth;
    if (record.startsWith("hello ")) return / token=(\S+)/.exec(record)?.[1] ?? "";
  }
  return undefined;
}

function checkUrl(address: string | URL): URL {
  let url: URL;
  try {
    url = new URL(address, globalThis.location?.href);
  } catch {
    throw new DOMException(`The URL '${address}' is invalid.`, "SyntaxError");
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new DOMException(`The URL's scheme must be ws or wss, not '${url.protocol}'.`, "SyntaxError");
  }
  if (url.hash !== "") throw new DOMException("The URL contains a fragment.", "SyntaxError");
  return url;
}

function checkProtocols(protocols: readonly string[]): readonly string[] {
  const isToken = (protocol: string): boolean => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(protocol);
  if (new Set(protocols).size < protocols.length || !protocols.every(isToken)) {
    throw new DOMException("The subprotocols are invalid or repeated.", "SyntaxError");
  }
  return protocols;
}
