// One WebSocket: tells how it goes, and can be abandoned at once.
//
// A close event is never waited for: it may come a minute late, or never.

import { connectionLost } from "./post.js";
import type { Line, Wire } from "./wire.js";

/** Rule W1. */
const subprotocol = "longhaul.v1";

/** Close codes of src/codes.json. */
const done = 1000;
const subprotocolMissing = 4005;

export class Socket implements Wire {
  readonly #line: Line;
  readonly #socket: WebSocket;

  /** Throws where the browser refuses the address: a bad one, or an insecure one on a secure page. */
  constructor(line: Line) {
    const socket = new WebSocket(`${line.base.replace(/^http/, "ws")}v1/connect`, subprotocol);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (socket.protocol === subprotocol) line.opened();
      else line.ended(subprotocolMissing);
    };
    socket.onclose = ({ code, reason }) => line.ended(code, reason);
    socket.onmessage = line.heard;
    this.#line = line;
    this.#socket = socket;
  }

  send(frame: string): boolean {
    const isOpen = this.#socket.readyState === WebSocket.OPEN;
    if (isOpen) this.#socket.send(frame);
    // A browser discards what is sent on a closing socket without a word, and its close event may be a minute away.
    else queueMicrotask(() => this.#line.ended(connectionLost));
    return isOpen;
  }

  abandon(code: number): void {
    const socket = this.#socket;
    socket.onopen = null;
    socket.onclose = null;
    socket.onmessage = null;
    // A page may only use these codes.
    socket.close(code >= 3000 && code <= 4999 ? code : done);
  }
}
