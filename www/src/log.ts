// The event log: what happened, newest first.

import { byId, element, icon } from "./dom";
import { formatClock } from "./format";

const entriesMax = 100;

export type LogKind = "connected" | "connecting" | "waiting" | "offline" | "closed" | "cut" | "gap" | "error";

export interface EventLog {
  add(kind: LogKind, text: string): void;
}

export function createEventLog(): EventLog {
  const list = byId("log", HTMLOListElement);
  return {
    add(kind, text) {
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
      list.prepend(entry);
      while (list.childElementCount > entriesMax) list.lastElementChild?.remove();
    },
  };
}
