// Remembers which transport worked, so that the next page load begins with it. Forgets after a day,
// because networks change.

import type { TransportName } from "./api.js";
import { transportNames } from "./boundary.js";
import { keepText, keptText } from "./browser.js";

/** Chosen: long enough for a working day behind one proxy. */
const keptMs = 24 * 60 * 60 * 1000;

/** The transport that worked with the hub at `base`; undefined if unknown or not stored. */
export function recallTransport(base: string): TransportName | undefined {
  const [name, untilMs] = keptText("localStorage", key(base))?.split(" ") ?? [];
  return Number(untilMs) > Date.now() ? transportNames.find((each) => each === name) : undefined;
}

export function rememberTransport(base: string, transport: TransportName): void {
  // Without storage the next page load starts a race again.
  keepText("localStorage", key(base), `${transport} ${Date.now() + keptMs}`);
}

function key(base: string): string {
  return `longhaul:transport:${base}`;
}
