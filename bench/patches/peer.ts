// The interface that a way to apply patches must offer to be measured.

import type { Patch, Read } from "./cases.js";

export interface Peer {
  readonly name: string;
  open(start: unknown, read: Read): Promise<Holder>;
}

/** A document held by a peer. */
export interface Holder {
  /** Prepares the frames. Not timed. */
  prepare(frames: readonly (readonly Patch[])[]): void;
  /** Takes the frames one by one, and reads as the case says. Timed. */
  run(): void | Promise<void>;
  /** The value now. */
  value(): unknown;
  close(): void;
}
