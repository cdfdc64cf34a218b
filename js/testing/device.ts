// A device that reaches the hub over its own line.

import type { Line } from "./line.js";
import type { Server } from "./server.js";

export interface Device {
  readonly line: Line;
  readonly server: Server;
  readonly origin: string;
  /** Whether an address is the hub's, with either scheme. */
  isHub(url: URL): boolean;
  /** Whether the hub serves pages of this origin. Null means the hub's own page, or no page. */
  isOriginServed(origin: string | null): boolean;
}
