// Puts what is sent in one turn into one frame: an event costs the hub more than a record does.

/** A frame is sent when it has this many characters, which are at most three times as many bytes: the hub takes 262,144. */
const frameCharsMax = 64 * 1024;

export class Outgoing {
  #socket: WebSocket | undefined;
  #frame = "";
  charsSent = 0;

  add(socket: WebSocket, records: string): void {
    if (
      this.#socket !== undefined &&
      (this.#socket !== socket || this.#frame.length + records.length > frameCharsMax)
    ) {
      this.#flush();
    }
    if (this.#socket === undefined) {
      this.#socket = socket;
      this.#frame = records;
      queueMicrotask(() => this.#flush());
    } else {
      this.#frame += `\n${records}`;
    }
  }

  #flush(): void {
    const socket = this.#socket;
    const frame = this.#frame;
    this.#socket = undefined;
    this.#frame = "";
    // A browser discards what is sent on a closing socket without a word; the core sends it again after a reconnect.
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(frame);
    this.charsSent += frame.length;
  }
}
