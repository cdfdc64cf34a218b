// An EventSource as in browsers, with a stream from the hub of a test.

import type { Device } from "./device.js";
import { defineHandlers } from "./events.js";
import { Exchange } from "./exchange.js";
import type { ResponseHandler } from "./request.js";

/** The delay before a reconnect, unless the stream sets another one, ms. Source: Chromium. */
const retryMs = 3_000;

export class FakeEventSource extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readonly url: string;
  readonly withCredentials: boolean;
  #readyState = 0;
  readonly #device: Device;
  #exchange: Exchange | undefined;
  #retryMs = retryMs;
  #timer: unknown;
  /** The incomplete last line. */
  #text = "";
  #data: string[] = [];
  #type = "";
  #id = "";

  constructor(device: Device, address: string | URL, init: EventSourceInit = {}) {
    super();
    this.#device = device;
    try {
      this.url = new URL(address, globalThis.location?.href).href;
    } catch {
      throw new DOMException(`The URL '${address}' is invalid.`, "SyntaxError");
    }
    this.withCredentials = init.withCredentials ?? false;
    this.#connect();
  }

  get readyState(): number {
    return this.#readyState;
  }

  close(): void {
    this.#readyState = 2;
    this.#device.line.clock.clearTimeout(this.#timer);
    this.#exchange?.abort();
  }

  #connect(): void {
    const url = new URL(this.url);
    const { origin } = this.#device;
    const headers = new Headers({ accept: "text/event-stream" });
    if (url.origin !== origin) headers.set("origin", origin);
    if (this.#id !== "") headers.set("last-event-id", this.#id);
    const client: ResponseHandler = {
      head: ({ status, headers, text, isWhole }) => {
        const isStream = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
        if (status !== 200 || !isStream) {
          this.close();
          this.dispatchEvent(new Event("error"));
          return;
        }
        this.#readyState = 1;
        this.dispatchEvent(new Event("open"));
        this.#take(text);
        if (isWhole) this.#reconnect();
      },
      more: (text) => this.#take(text),
      end: () => this.#reconnect(),
      failed: () => this.#reconnect(),
    };
    this.#exchange = new Exchange(
      this.#device,
      { method: "GET", url, headers, body: new Uint8Array() },
      client,
    );
  }

  #reconnect(): void {
    if (this.#readyState === 2) return;
    this.#readyState = 0;
    [this.#text, this.#data, this.#type] = ["", [], ""];
    this.dispatchEvent(new Event("error"));
    // The handler may have closed the source.
    if (this.#readyState !== 0) return;
    this.#timer = this.#device.line.clock.setTimeout(() => this.#connect(), this.#retryMs);
  }

  #take(text: string): void {
    const lines = (this.#text + text).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      if (this.#readyState === 2) return;
      this.#line(line.replace(/\r$/, ""));
    }
  }

  /** Source: HTML, section 9.2.6. */
  #line(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.#retryMs = Number(value);
  }

  #dispatch(): void {
    const data = this.#data.join("\n");
    const type = this.#type || "message";
    const isEmpty = this.#data.length === 0;
    [this.#data, this.#type] = [[], ""];
    if (isEmpty) return;
    const { origin } = new URL(this.url);
    this.dispatchEvent(new MessageEvent(type, { data, origin, lastEventId: this.#id }));
  }
}

defineHandlers(FakeEventSource.prototype, ["open", "message", "error"]);
