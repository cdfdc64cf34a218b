// A network line that the page can cut, or close to one transport. It replaces the browser's
// WebSocket, EventSource and fetch, below the client and without its knowledge: open connections
// end silently, and new ones fail before they open.

import type { TransportName } from "longhaul";
import { Gate } from "./gate";
import { transports } from "./transports";

export interface Line {
  readonly isCut: boolean;
  cut(): void;
  restore(): void;
  /** The transports that the switches block, whether the line is cut or not. */
  readonly blocked: readonly TransportName[];
  block(transport: TransportName): void;
  letThrough(transport: TransportName): void;
}

type Gates = Record<TransportName | "posts", Gate>;

/** Replaces the browser's classes. Call it before the client opens its first connection. */
export function installLine(): Line {
  const gates: Gates = {
    websocket: new Gate(),
    eventsource: new Gate(),
    longpoll: new Gate(),
    posts: new Gate(),
  };
  gateSockets(gates.websocket);
  gateSources(gates.eventsource);
  gateRequests(gates);
  const blocked = new Set<TransportName>();
  let isCut = false;
  return {
    get isCut() {
      return isCut;
    },
    cut() {
      isCut = true;
      for (const gate of Object.values(gates)) gate.shut();
    },
    restore() {
      isCut = false;
      gates.posts.open();
      for (const transport of transports) if (!blocked.has(transport)) gates[transport].open();
    },
    get blocked() {
      return transports.filter((transport) => blocked.has(transport));
    },
    block(transport) {
      blocked.add(transport);
      gates[transport].shut();
    },
    letThrough(transport) {
      blocked.delete(transport);
      if (!isCut) gates[transport].open();
    },
  };
}

function gateRequests(gates: Gates): void {
  const native = globalThis.fetch.bind(globalThis);
  const gateOf = (input: RequestInfo | URL): Gate | undefined => {
    const { pathname } = new URL(input instanceof Request ? input.url : input, location.href);
    // The page's own files don't use the line, because the service worker has them.
    if (pathname.startsWith("/assets/")) return undefined;
    if (pathname.endsWith("/v1/poll")) return gates.longpoll;
    // An event stream begins with a post for its ticket.
    return pathname.endsWith("/v1/session") ? gates.eventsource : gates.posts;
  };
  globalThis.fetch = (input, init) => {
    const signal = gateOf(input)?.signal;
    if (signal === undefined) return native(input, init);
    return native(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, signal]) : signal });
  };
}

function gateSources(gate: Gate): void {
  const Native = globalThis.EventSource;

  class GatedSource extends Native {
    readonly #life = gate.signal;
    readonly #die = (): void => {
      this.close();
      this.dispatchEvent(new Event("error"));
    };

    constructor(url: string | URL, init?: EventSourceInit) {
      super(url, init);
      if (this.#life.aborted) queueMicrotask(this.#die);
      else this.#life.addEventListener("abort", this.#die);
    }

    override close(): void {
      this.#life.removeEventListener("abort", this.#die);
      super.close();
    }
  }

  globalThis.EventSource = GatedSource;
}

function gateSockets(gate: Gate): void {
  const Native = globalThis.WebSocket;

  class GatedSocket extends Native {
    readonly #life = gate.signal;
    #isDead = false;
    readonly #die = (): void => {
      if (this.readyState === Native.CLOSED) return;
      this.#isDead = true;
      super.close();
      this.dispatchEvent(new Event("error"));
      this.dispatchEvent(new CloseEvent("close", { code: 1006, wasClean: false }));
    };

    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      // The first listeners of the socket: they stop events that a dead line would not carry.
      for (const type of ["open", "message", "error", "close"]) {
        this.addEventListener(type, (event) => this.#stopWhenDead(event), { capture: true });
      }
      this.addEventListener("close", () => this.#life.removeEventListener("abort", this.#die));
      // A socket that closes while it opens fails: `error`, then `close` with 1006, and never
      // `open`.
      if (this.#life.aborted) super.close();
      else this.#life.addEventListener("abort", this.#die);
    }

    override get readyState(): WebSocket["readyState"] {
      return this.#isDead ? Native.CLOSED : super.readyState;
    }

    override send(data: string | Blob | BufferSource): void {
      if (!this.#isDead) super.send(data);
    }

    override close(code?: number, reason?: string): void {
      if (!this.#isDead) super.close(code, reason);
    }

    #stopWhenDead(event: Event): void {
      if (this.#isDead && event.isTrusted) event.stopImmediatePropagation();
    }
  }

  globalThis.WebSocket = GatedSocket;
}
