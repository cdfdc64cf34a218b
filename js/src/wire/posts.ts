// What goes up beside an event stream or a poll: posts of publications, one at a time so that their order holds (rule T1).
//
// A post is one frame, so that it stays within what the hub takes, and within what a slow line carries in time. What comes
// while one is under way shares the next.

import { frameCharsMax } from "../outgoing.js";
import { unauthorized } from "./post.js";
import type { Line } from "./wire.js";

export class Posts {
  protected readonly line: Line;
  #waiting: string[] = [];
  /** Of the post under way. */
  #abort: AbortController | undefined;

  constructor(line: Line) {
    this.line = line;
  }

  send(frame: string): boolean {
    this.#waiting.push(frame);
    if (this.#abort === undefined) void this.#run();
    return true;
  }

  abandonPosts(): void {
    this.#waiting = [];
    this.#abort?.abort();
  }

  /** What waits, as far as it fits a frame. */
  #next(): string | undefined {
    const waiting = this.#waiting;
    let chars = 0;
    const end = waiting.findIndex((frame, at) => {
      chars += frame.length + 1;
      return at > 0 && chars > frameCharsMax;
    });
    const next = waiting.splice(0, end < 0 ? waiting.length : end);
    return next.length > 0 ? next.join("\n") : undefined;
  }

  async #run(): Promise<void> {
    const line = this.line;
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      const abort = new AbortController();
      this.#abort = abort;
      const { signal } = abort;
      const answer = await line.post("v1/publish", `${line.hello()}\n${frame}`, signal);
      if (signal.aborted) continue;
      if (typeof answer === "string") {
        line.received(answer);
        continue;
      }
      // What waits behind is sent again with what failed.
      this.#waiting = [];
      const { code, detail, floorMs } = answer;
      // One for its token's sake is the connection's end: that shows the same.
      if (code === unauthorized) line.ended(code, detail, floorMs);
      else line.postFailed(floorMs);
    }
    this.#abort = undefined;
  }
}
