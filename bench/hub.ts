// The hub's side of a connection, as far as docs/protocol.md gives it to a subscriber.

import { type Data, type Server, sentTexts } from "./socket.js";

/** The epoch of every topic. */
const epoch = "00000000000000b1";

export const hub: Server = {
  protocol: "longhaul.v1",
  opened: () => [],
  answer: (frame: Data) => {
    const answers = String(frame).split("\n").flatMap(answer);
    return answers.length > 0 ? [answers.join("\n")] : [];
  },
};

function answer(record: string): string[] {
  const [verb, field] = record.split(" ");
  if (verb === "hello") return ["welcome bench 1763000000000"];
  if (verb === "sub") return [`subscribed ${field} ${epoch} 0 0 0`];
  if (verb === "ping") return [`pong ${field}`];
  return [];
}

/**
 * Whether the client of the last socket has requested this many subscriptions and received their
 * answers.
 */
export function hasSubscribed(topics: number): boolean {
  const subs = sentTexts()
    .flatMap((frame) => frame.split("\n"))
    .filter((record) => record.startsWith("sub "));
  return subs.length === topics;
}
