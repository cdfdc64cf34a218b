// What a way to apply patches must offer to be measured.

import type { Patch, Read } from "./cases.js";

export interface Peer {
  readonly name: string;
  open(start: unknown, read: Read): Promise<Holder>;
}

/** A document held by a peer. */
export interface Holder {
  /** Notes the frames that come. Not timed. */
  prepare(frames: readonly (readonly Patch[])[]): void;
  /** Takes frame by frame and looks as it is to. Timed. */
  run(): void | Promise<void>;
  /** The value now. */
  value(): unknown;
  close(): void;
}
