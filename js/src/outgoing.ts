// Joins the records of one turn into one frame, because an event costs the hub more than a record.
//
// It sends nothing within a turn of the core, because a post may call listeners.

/**
 * A frame gets no more records from so many characters on. They are at most three times as many
 * bytes: over a network of 8 kB/s the answers come within the time for a pong (rule W9).
 */
const frameCharsMax = 16 * 1024;

/** The readyState of an open socket. */
const open = 1;

/** The target of frames: a socket, or the number of a connection that posts. */
export type Sink = WebSocket | number;

interface Frame {
  readonly sink: Sink;
  text: string;
}

export class Outgoing {
  readonly #post: (connection: number, frame: string) => void;
  /** In the order of sending. */
  #frames: Frame[] = [];
  charsSent = 0;

  constructor(post: (connection: number, frame: string) => void) {
    this.#post = post;
  }

  /** Adds records that may go in several frames, such as all subscriptions of a new connection. */
  add(sink: Sink, records: string): void {
    let rest = records;
    while (rest.length > frameCharsMax) {
      // No record contains a line feed (rule W2).
      const end = rest.lastIndexOf("\n", frameCharsMax);
      if (end < 0) break;
      this.addWhole(sink, rest.slice(0, end));
      rest = rest.slice(end + 1);
    }
    this.addWhole(sink, rest);
  }

  /**
   * Adds records that go in one frame. An `until` limits a publication only in the same post (rule
   * C10).
   */
  addWhole(sink: Sink, records: string): void {
    const last = this.#frames.at(-1);
    if (last?.sink === sink && last.text.length + records.length < frameCharsMax) {
      last.text += `\n${records}`;
      return;
    }
    if (last === undefined) queueMicrotask(() => this.#flush());
    this.#frames.push({ sink, text: records });
  }

  /** The core has crashed: drops its frames. */
  drop(): void {
    this.#frames = [];
  }

  #flush(): void {
    // A post may call listeners, which add frames, or drop the rest with a crash.
    for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
      const { sink, text } = frame;
      if (typeof sink === "number") {
        this.#post(sink, text);
      } else {
        // A browser silently discards data for a closing socket. The core sends it again after a
        // reconnect.
        if (sink.readyState !== open) continue;
        sink.send(text);
      }
      this.charsSent += text.length;
    }
  }
}
