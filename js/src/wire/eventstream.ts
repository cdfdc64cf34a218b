// An event stream: a post for the ticket, then an EventSource that never reconnects by itself (rule T2). Each event's data is a frame.

import { connectionLost, notAHub } from "./post.js";
import { Posts } from "./posts.js";
import type { Line, Wire } from "./wire.js";

/** A ticket record and its ticket. */
const ticketRecord = /^ticket ([\w\-.~:+/=]{1,128})(?: |$)/m;

export class EventStream extends Posts implements Wire {
  readonly #abort = new AbortController();
  #source: EventSource | undefined;

  constructor(line: Line, records: string) {
    super(line);
    line.post("v1/session", records, this.#abort.signal).then((answer) => {
      if (this.#abort.signal.aborted) return;
      if (typeof answer !== "string") {
        line.ended(answer.code, answer.detail, answer.floorMs);
        return;
      }
      const ticket = ticketRecord.exec(answer)?.[1];
      if (ticket === undefined) line.ended(notAHub);
      else this.#listen(line, ticket);
    });
  }

  abandon(): void {
    this.#abort.abort();
    this.abandonPosts();
    const source = this.#source;
    if (source === undefined) return;
    source.onerror = null;
    source.onmessage = null;
    source.close();
  }

  #listen(line: Line, ticket: string): void {
    const source = new EventSource(`${line.base}v1/events?ticket=${ticket}`);
    this.#source = source;
    // The browser would use the ticket again, which is good once: the core opens another stream instead.
    source.onerror = () => line.ended(connectionLost);
    source.onmessage = line.heard;
    // From here on the welcome is waited for: a proxy that buffers may hold back even the head, and so the open event.
    line.opened();
  }
}
