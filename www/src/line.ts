// A line that can be cut. It sits below the client, in the browser's own WebSocket, and tells the client nothing:
// open sockets die without a goodbye, new ones fail before they open, until the line goes on again.

export interface Line {
  readonly isCut: boolean;
  cut(): void;
  goOn(): void;
}

/** Replaces the page's WebSocket. Call it before the client makes its first one. */
export function installLine(): Line {
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
    get isCut() {
      return isCut;
    },
    cut() {
      isCut = true;
      for (const socket of [...open]) socket.die();
    },
    goOn() {
      isCut = false;
    },
  };
}
