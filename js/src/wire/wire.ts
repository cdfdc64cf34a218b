// What a connection is to the engine, and what it tells: a socket, an event stream or polls. None of them holds a rule of the core's.

import type { Answer } from "./post.js";

/** One open connection. */
export interface Wire {
  /** Sends a frame of records. False where that is certain to be in vain. */
  send(frame: string): boolean;
  /** Asks again, with these records; only polls do. */
  poll?(records: string): void;
  /** Gives up the posts under way and those that wait; a socket has none. */
  abandonPosts?(): void;
  /** Lets go of it now: nothing of it is told any more. */
  abandon(code: number): void;
}

/** The engine's end of a connection. Nothing is told within the turn of the core that asked for something. */
export interface Line {
  /** The hub's, with a slash at its end. */
  readonly base: string;
  /** What a post begins with. */
  hello(): string;
  /** Posts a frame with the token of the moment. */
  post(path: string, frame: string, signal: AbortSignal): Promise<Answer>;
  /** The peer speaks our subprotocol; or there is a ticket for a stream, which is on its way. */
  opened(): void;
  /** The handler of message events. */
  readonly heard: (event: MessageEvent) => void;
  /** Records came as the answer to a post. */
  received(frame: string): void;
  /** Records came as the answer to a poll. */
  answered(frame: string): void;
  /** A post got no answer of a hub, and may be tried again after `floorMs`. */
  postFailed(floorMs: number): void;
  /** The end, with a close code and words for people. */
  ended(code: number, detail?: string, floorMs?: number): void;
}
