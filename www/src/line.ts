// A line that can be cut. It sits below the client, in the browser's own WebSocket, EventSource and fetch, and tells the client
// nothing: what is open dies without a goodbye, what is new fails before it opens, until the line goes on again.

export interface Line {
  readonly isCut: boolean;
  cut(): void;
  goOn(): void;
}

/** Replaces what the page speaks through. Call it before the client makes its first connection. */
export function installLine(): Line {
  const parts = [cuttableSockets(), cuttableSources(), cuttableRequests()];
  let isCut = false;
  return {
    get isCut() {
      return isCut;
    },
    cut() {
      isCut = true;
      for (const part of parts) part.cut();
    },
    goOn() {
      isCut = false;
      for (const part of parts) part.goOn();
    },
  };
}

type Part = Pick<Line, "cut" | "goOn">;

function cuttableRequests(): Part {
  const native = globalThis.fetch.bind(globalThis);
  let isCut = false;
  let life = new AbortController();
  globalThis.fetch = (input, init) => {
    if (isCut) return Promise.reject(new TypeError("Failed to fetch"));
    const signals = init?.signal ? [init.signal, life.signal] : [life.signal];
    return native(input, { ...init, signal: AbortSignal.any(signals) });
  };
  return {
    cut() {
      isCut = true;
      life.abort();
    },
    goOn() {
      isCut = false;
      life = new AbortController();
    },
  };
}

function cuttableSources(): Part {
  const Native = globalThis.EventSource;
  const open = new Set<CuttableSource>();
  let isCut = false;

  class CuttableSource extends Native {
    constructor(url: string | URL, init?: EventSourceInit) {
      super(url, init);
      open.add(this);
      if (isCut) queueMicrotask(() => this.die());
    }

    override close(): void {
      open.delete(this);
      super.close();
    }

    die(): void {
      this.close();
      this.dispatchEvent(new Event("error"));
    }
  }

  globalThis.EventSource = CuttableSource;
  return {
    cut() {
      isCut = true;
      for (const source of [...open]) source.die();
    },
    goOn() {
      isCut = false;
    },
  };
}

function cuttableSockets(): Part {
  const Native = globalThis.WebSocket;
  const open = new Set<CuttableSocket>();
  let isCut = false;

  class CuttableSocket extends Native {
    #isDead = false;

    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      // First in line on the socket, so that nothing behind us hears what a dead line would not have carried.
      for (const type of ["open", "message", "error", "close"]) {
        this.addEventListener(type, (event) => this.#stopWhenDead(event), { capture: true });
      }
      this.addEventListener("close", () => open.delete(this));
      open.add(this);
      // Closing a socket that is still opening makes the browser fail it: an error, then close 1006, and never an open.
      if (isCut) super.close();
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

    die(): void {
      if (this.readyState === Native.CLOSED) return;
      this.#isDead = true;
      open.delete(this);
      super.close();
      this.dispatchEvent(new Event("error"));
      this.dispatchEvent(new CloseEvent("close", { code: 1006, wasClean: false }));
    }

    #stopWhenDead(event: Event): void {
      if (this.#isDead && event.isTrusted) event.stopImmediatePropagation();
    }
  }

  globalThis.WebSocket = CuttableSocket;
  return {
    cut() {
      isCut = true;
      for (const socket of [...open]) socket.die();
    },
    goOn() {
      isCut = false;
    },
  };
}
