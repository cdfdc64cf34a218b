// The transports, best first, and their names for people.

import type { TransportName } from "longhaul";

export const transports: readonly TransportName[] = ["websocket", "eventsource", "longpoll"];

export const transportWords: Record<TransportName, string> = {
  websocket: "WebSocket",
  eventsource: "EventSource",
  longpoll: "Long poll",
};

/** "A", "A and B", "A, B and C". */
export function listTransports(names: readonly TransportName[]): string {
  const words = names.map((name) => transportWords[name]);
  const last = words.pop() ?? "";
  return words.length === 0 ? last : `${words.join(", ")} and ${last}`;
}

export function isBetter(one: TransportName, other: TransportName): boolean {
  return transports.indexOf(one) < transports.indexOf(other);
}
