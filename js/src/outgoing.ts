// Puts what is sent in one turn into one frame: an event costs the hub more than a record does.

/** A frame is sent when it has this many characters, which are at most three times as many bytes: the hub takes 262,144. */
const frameCharsMax = 64 * 1024;

/** What frames go to: a socket, or the number of a connection that posts. */
export type Sink = WebSocket | number;

export class Outgoing {
  readonly #post: (connection: number, frame: string) => void;
  #sink: Sink | undefined;
  #frame = "";
  charsSent = 0;

  constructor(post: (connection: number, frame: string) => void) {
    this.#post = post;
  }

  add(sink: Sink, records: string): void {
    // The subscriptions of a new connection come all at once. No record has a line feed in it (rule W2).
    const end = records.length > frameCharsMax ? records.lastIndexOf("\n", frameCharsMax) : -1;
    this.#join(sink, end < 0 ? records : records.slice(0, end));
    if (end >= 0) this.add(sink, records.slice(end + 1));
  }

  /** What is gathered is not sent: who wanted it is gone. */
  drop(): void {
    this.#sink = undefined;
    this.#frame = "";
  }

  #join(sink: Sink, records: string): void {
    if (
      this.#sink !== undefined &&
      (this.#sink !== sink || this.#frame.length + records.length > frameCharsMax)
    ) {
      this.#flush();
    }
    if (this.#sink === undefined) {
      this.#sink = sink;
      this.#frame = records;
      queueMicrotask(() => this.#flush());
    } else {
      this.#frame += `\n${records}`;
    }
  }

  #flush(): void {
    const sink = this.#sink;
    const frame = this.#frame;
    this.#sink = undefined;
    this.#frame = "";
    if (sink === undefined) return;
    if (typeof sink === "number") {
      this.#post(sink, frame);
    } else {
      // A browser discards what is sent on a closing socket without a word; the core sends it again after a reconnect.
      if (sink.readyState !== WebSocket.OPEN) return;
      sink.send(frame);
    }
    this.charsSent += frame.length;
  }
}
