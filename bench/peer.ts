// The interface that a receiver must offer to be measured.

import type { Case, Sent } from "./workload.js";

/** Called for each message by every peer. */
export type Listener = (data: unknown, seq: number) => void;

export interface Peer {
  readonly name: string;
  open(of: Case, listener: Listener): Promise<Receiver>;
}

export interface Receiver {
  /** Makes the frames of these messages: the `data` of message events. Not timed. */
  encode(frame: readonly Sent[]): (string | ArrayBuffer)[];
  /** The function that the browser calls with a message event. Timed. */
  readonly receive: (event: MessageEvent) => void;
  close(): void;
}
