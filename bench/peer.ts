// What a way to receive must offer to be measured.

import type { Case, Sent } from "./workload.js";

/** Called for each message by every peer. */
export type Listener = (data: unknown, seq: number) => void;

export interface Peer {
  readonly name: string;
  open(of: Case, listener: Listener): Promise<Receiver>;
}

export interface Receiver {
  /** The frames that carry these messages: what the `data` of a message event is. Not timed. */
  encode(frame: readonly Sent[]): (string | ArrayBuffer)[];
  /** What the browser calls with a message event. Timed. */
  readonly receive: (event: MessageEvent) => void;
  close(): void;
}
