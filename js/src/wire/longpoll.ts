// Long-polling: one post at a time, each a pure function of its cursors (rule T3).

import { Posts } from "./posts.js";
import type { Line, Wire } from "./wire.js";

export class LongPoll extends Posts implements Wire {
  #abort: AbortController | undefined;

  constructor(line: Line, records: string) {
    super(line);
    this.poll(records);
  }

  /** A new poll takes the place of the one that is held; what that would have brought comes with the new one. */
  poll(records: string): void {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const { signal } = abort;
    this.line.post("v1/poll", records, signal).then((answer) => {
      if (signal.aborted) return;
      if (typeof answer === "string") this.line.answered(answer);
      else this.line.ended(answer.code, answer.detail, answer.floorMs);
    });
  }

  abandon(): void {
    this.#abort?.abort();
    this.abandonPosts();
  }
}
