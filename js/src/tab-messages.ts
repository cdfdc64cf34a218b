// Passes tab messages to the core.

import type { TabMessage } from "./tabs.js";
import type { Core } from "./wasm/longhaul.js";

/** Who sent a message: this client itself, or another client of the same durable outbox. */
export type Origin = "self" | "tab";

/** Calls the core for a message of another tab, or for this tab's own. */
export function toCore(core: Core, message: TabMessage, origin: Origin): void {
  switch (message[0]) {
    case "added":
      core.tabAdded(message[1], message[2], message[3], message[4]);
      return;
    case "acked": {
      const [, producer, epoch, rows] = message;
      for (let i = 0; i < rows.length; i += 5) {
        const [row = 0, attempts = 0, bytes = 0, seq = 0, duplicate] = rows.slice(i, i + 5);
        core.tabAcked(producer, row, attempts, bytes, epoch, seq, duplicate === 1);
      }
      return;
    }
    case "dead":
      core.tabDead(message[1], message[2], message[3], message[4], message[5], message[6]);
      return;
    case "outcomeStored":
      core.tabOutcomeStored(message[1], message[2]);
      return;
    case "cancelled":
      core.tabCancelled(message[1], message[2]);
      return;
    case "renamed":
      core.tabRenamed(message[1], message[2]);
      return;
    case "deadLetterTaken":
      core.tabDeadLetterTaken(message[1], message[2]);
      return;
    case "wiped": {
      // Earlier versions do not say how far a wipe reaches. This tab's own wipe reaches everything.
      const [, isBeginning, ...reach] = message;
      const all = isBeginning && origin === "tab" ? 0 : Number.POSITIVE_INFINITY;
      core.tabWiped(!isBeginning, reach[0] ?? all, reach[1] ?? all);
      return;
    }
  }
}
