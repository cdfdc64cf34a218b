// The event log, newest first.

import type { Status } from "longhaul";
import { byId, element, icon } from "./dom";
import { formatClock } from "./format";

const entriesMax = 100;

export type LogKind = Status["state"] | "moved" | "back" | "blocked" | "through" | "cut" | "gap" | "error";

export interface EventLog {
  /** `code` is the stable name of a fault. */
  add(kind: LogKind, text: string, code?: string): void;
}

export function createEventLog(): EventLog {
  const list = byId("log", HTMLOListElement);
  return {
    add(kind, text, code) {
      const nowMs = Date.now();
      const time = element("time", "log-time", formatClock(nowMs));
      time.dateTime = new Date(nowMs).toISOString();
      const entry = element(
        "li",
        `log-entry tone-${kind}`,
        time,
        icon(kind),
        element("span", "log-text", text),
      );
      if (code !== undefined) entry.lastElementChild?.append(" ", element("code", "log-code", code));
      list.prepend(entry);
      while (list.childElementCount > entriesMax) list.lastElementChild?.remove();
    },
  };
}
