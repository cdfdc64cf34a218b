// What goes up beside an event stream or a poll: posts of publications, one at a time so that their order holds (rule T1).
//
// A post is one frame, so that it stays within what the hub takes, and within what a slow line carries in time.

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

  async #run(): Promise<void> {
    const line = this.line;
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
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
