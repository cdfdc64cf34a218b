// What everything of one device works with.

import type { Line } from "./line.js";
import type { Server } from "./server.js";

export interface Room {
  readonly line: Line;
  readonly server: Server;
  readonly origin: string;
  /** Whether an address is the hub's, by whatever scheme. */
  isHub(url: URL): boolean;
  /**
   * Whether the hub serves pages of this origin. No origin: a page of the hub's own, or no page.
   */
  isOriginServed(origin: string | null): boolean;
}
