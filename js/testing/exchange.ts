// One request and its answer over a line, on the client's side.

import type { TransportName } from "./api.js";
import type { Connection } from "./connection.js";
import type { Device } from "./device.js";
import { Reply } from "./reply.js";
import type { HubRequest, ResponseHandler } from "./request.js";

/** The approximate size of a request's head. */
const headChars = 500;

export class Exchange {
  readonly #connection: Connection;
  #client: ResponseHandler | undefined;

  constructor(device: Device, request: HubRequest, client: ResponseHandler) {
    const { line } = device;
    const transport = transportOf(request.url);
    const block = line.blockOf(transport);
    this.#client = client;
    this.#connection = line.connect(transport, () => this.#notify((client) => client.failed()));
    if (line.isCut || block === "csp") {
      // A browser never fails synchronously.
      line.clock.setTimeout(() => this.#connection.cut(), 0);
    } else if (block !== "silent") {
      this.#connection.up(headChars + request.body.length, () => {
        if (device.server.isUp && block === undefined) this.#arrive(device, request);
        else this.#connection.cut();
      });
    }
  }

  /** The client aborts the request. The hub learns that if the line still works. */
  abort(): void {
    if (this.#client === undefined) return;
    this.#client = undefined;
    this.#connection.clientGone();
  }

  #arrive(device: Device, request: HubRequest): void {
    const { line } = device;
    new Reply(device, this.#connection, request, {
      head: (head) => this.#notify((client) => client.head(head)),
      more: (text) => this.#notify((client) => client.more(text)),
      end: () => this.#notify((client) => client.end()),
      failed: () => {},
    });
    if (request.method === "GET" || line.duplicateRate === 0 || line.random() >= line.duplicateRate) return;
    // A proxy that has lost its connection to the hub repeats the post. One answer gets lost.
    const repeated = line.connect(undefined, () => {});
    repeated.up(request.body.length, () => {
      const nobody = { head: () => repeated.cut(), more: () => {}, end: () => {}, failed: () => {} };
      if (device.server.isUp) new Reply(device, repeated, request, nobody);
      else repeated.cut();
    });
  }

  #notify(act: (client: ResponseHandler) => void): void {
    if (this.#client !== undefined) act(this.#client);
  }
}

/**
 * The transport that a network may block. Two transports share posts, so a post belongs to none.
 */
function transportOf(url: URL): TransportName | undefined {
  if (url.pathname === "/v1/events") return "eventsource";
  return url.pathname === "/v1/poll" ? "longpoll" : undefined;
}
