// Remembers which transport got through, so that the next load begins with it. Forgets after a day: networks change.

import type { TransportName } from "./api.js";
import { transportNames } from "./boundary.js";
import { keepText, keptText } from "./browser.js";

/** Source: browser facts; long enough for a working day behind one proxy. */
const keptMs = 24 * 60 * 60 * 1000;

/** What worked with the hub at `base` before; undefined where nothing is known or storage is not allowed. */
export function recall(base: string): TransportName | undefined {
  const [name, untilMs] = keptText("localStorage", key(base))?.split(" ") ?? [];
  return Number(untilMs) > Date.now() ? transportNames.find((each) => each === name) : undefined;
}

export function remember(base: string, transport: TransportName): void {
  // Where it can't be kept the next load races again.
  keepText("localStorage", key(base), `${transport} ${Date.now() + keptMs}`);
}

function key(base: string): string {
  return `longhaul:transport:${base}`;
}
