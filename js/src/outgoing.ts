// Puts what is sent in one turn into one frame: an event costs the hub more than a record does.
//
// Sends nothing within a turn of the core: what a post tells would reach listeners while the core is in the middle of it.

/**
 * A frame is sent when it has this many characters, which are at most three times as many bytes: over a line of 8 kB/s its answers
 * are there within the time that a pong has (rule W9).
 */
const frameCharsMax = 16 * 1024;

/** The readyState of a socket that sends. */
const open = 1;

/** What frames go to: a socket, or the number of a connection that posts. */
export type Sink = WebSocket | number;

interface Frame {
  readonly sink: Sink;
  text: string;
}

export class Outgoing {
  readonly #post: (connection: number, frame: string) => void;
  /** In the order in which they are sent. */
  #frames: Frame[] = [];
  charsSent = 0;

  constructor(post: (connection: number, frame: string) => void) {
    this.#post = post;
  }

  /** Records that may be sent apart: the subscriptions of a new connection come all at once. */
  add(sink: Sink, records: string): void {
    let rest = records;
    while (rest.length > frameCharsMax) {
      // No record has a line feed in it (rule W2).
      const end = rest.lastIndexOf("\n", frameCharsMax);
      if (end < 0) break;
      this.addWhole(sink, rest.slice(0, end));
      rest = rest.slice(end + 1);
    }
    this.addWhole(sink, rest);
  }

  /** Records that go in one frame: a publication is limited by the `until` before it only in the same post (rule C10). */
  addWhole(sink: Sink, records: string): void {
    const last = this.#frames.at(-1);
    if (last?.sink === sink && last.text.length + records.length < frameCharsMax) {
      last.text += `\n${records}`;
      return;
    }
    if (last === undefined) queueMicrotask(() => this.#flush());
    this.#frames.push({ sink, text: records });
  }

  /** What is gathered is not sent: the core that wanted it is gone. */
  drop(): void {
    this.#frames = [];
  }

  #flush(): void {
    // A post lets listeners run: they may add frames, or drop the rest with a crash.
    for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
      const { sink, text } = frame;
      if (typeof sink === "number") {
        this.#post(sink, text);
      } else {
        // A browser discards what is sent on a closing socket without a word; the core sends it again after a reconnect.
        if (sink.readyState !== open) continue;
        sink.send(text);
      }
      this.charsSent += text.length;
    }
  }
}
