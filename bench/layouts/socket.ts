// A WebSocket that is none: what the client opens when the page's own class has been replaced by this one.
//
// Answers as a hub does as far as a subscriber needs it, and lets the bench hand frames to the client's handler.

import type { Receiver } from "./peers/peer.js";

/** The epoch of every topic. */
const epoch = "00000000000000b1";

let last: FakeSocket | undefined;

class FakeSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readyState = FakeSocket.CONNECTING;
  binaryType = "blob";
  readonly protocol = "longhaul.v1";
  onopen: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  /** Everything that the client sent. */
  readonly sent: string[] = [];

  constructor() {
    last = this;
    queueMicrotask(() => {
      this.readyState = FakeSocket.OPEN;
      this.onopen?.(new Event("open"));
    });
  }

  send(frame: string): void {
    this.sent.push(frame);
    const answers = frame.split("\n").flatMap(answer);
    if (answers.length > 0) queueMicrotask(() => this.#tell(answers.join("\n")));
  }

  close(): void {
    this.readyState = FakeSocket.CLOSED;
  }

  #tell(data: string): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }
}

function answer(record: string): string[] {
  const [verb, field] = record.split(" ");
  if (verb === "hello") return ["welcome bench 1763000000000"];
  if (verb === "sub") return [`subscribed ${field} ${epoch} 0 0 0`];
  if (verb === "ping") return [`pong ${field}`];
  return [];
}

/** Puts the fake in the place of the page's WebSocket for good. */
export function replaceWebSocket(): void {
  Object.defineProperty(globalThis, "WebSocket", { value: FakeSocket });
}

/** What the client set as its handler on the socket that it opened last, once `isReady` says that it is subscribed. */
export async function handler(isReady: () => boolean): Promise<Receiver["receive"]> {
  const endMs = performance.now() + 5_000;
  while (!isReady() || last?.onmessage == null) {
    if (performance.now() > endMs) throw new Error("the client did not get its subscriptions within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return last.onmessage;
}

/** Whether the client that opened the last socket has asked for this many subscriptions and has had their answers. */
export function hasSubscribed(topics: number): boolean {
  const subs = last?.sent.flatMap((frame) => frame.split("\n")).filter((record) => record.startsWith("sub "));
  return subs?.length === topics;
}
