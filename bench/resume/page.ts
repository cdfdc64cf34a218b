// The page's side: a client that is connected, loses its line, and comes back on command.

import { Centrifuge, State, SubscriptionState } from "centrifuge";
import { connect } from "longhaul";
import { io } from "socket.io-client";

type Listener = (data: { n: number }) => void;

interface Client {
  isReady(): boolean;
  /** Whether the client knows that its line is cut. */
  isDown(): boolean;
  /** Makes the client connect again now. */
  back(): void;
}

const open: Record<string, (port: number, topics: readonly string[], listener: Listener) => Client> = {
  longhaul(port, topics, listener) {
    const client = connect(`http://127.0.0.1:${port}`, { transports: ["websocket"] });
    for (const topic of topics) client.topic<{ n: number }>(topic).subscribe(({ data }) => listener(data));
    return {
      isReady: () => client.status.state === "connected",
      isDown: () => client.status.state === "waiting",
      back: () => client.reconnect(),
    };
  },

  "socket.io"(port, topics, listener) {
    // By itself it would wait for a second; on command it tries at once.
    const options = { transports: ["websocket"], reconnection: false };
    const socket = io(`http://127.0.0.1:${port}`, options);
    for (const topic of topics) socket.on(topic, listener);
    return {
      isReady: () => socket.connected,
      isDown: () => !socket.connected,
      back: () => void socket.connect(),
    };
  },

  centrifuge(port, topics, listener) {
    const client = new Centrifuge(`ws://127.0.0.1:${port}/connection/websocket`);
    const subscriptions = topics.map((topic) => {
      const subscription = client.newSubscription(topic);
      subscription.on("publication", ({ data }) => listener(data));
      subscription.subscribe();
      return subscription;
    });
    client.connect();
    return {
      isReady: () => subscriptions.every(({ state }) => state === SubscriptionState.Subscribed),
      isDown: () => client.state !== State.Connected,
      back() {
        client.disconnect();
        client.connect();
      },
    };
  },
};

let client: Client | undefined;
let received: number[] = [];
let isComplete: (() => void) | undefined;
let due = Number.POSITIVE_INFINITY;

async function until(is: () => boolean | undefined): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!is()) {
    if (performance.now() > endMs) throw new Error(`not within 20 s: ${received.length} received`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const memories = new Set<WebAssembly.Memory>();

/**
 * The browser does not count wasm memory as heap, so the page notes each instance as it is made.
 */
for (const name of ["instantiate", "instantiateStreaming"] as const) {
  const make = WebAssembly[name] as (...given: unknown[]) => Promise<{ instance: WebAssembly.Instance }>;
  const noted = async (...given: unknown[]) => {
    const made = await make(...given);
    const { memory } = ("instance" in made ? made.instance : (made as WebAssembly.Instance)).exports;
    if (memory instanceof WebAssembly.Memory) memories.add(memory);
    return made;
  };
  Object.defineProperty(WebAssembly, name, { value: noted });
}

declare global {
  var resume: unknown;
}

/** The functions that bench/resume/run.mjs calls. */
globalThis.resume = {
  peers: Object.keys(open),

  async open(peer: string, port: number, topics: number): Promise<void> {
    const names = Array.from({ length: topics }, (_, topic) => `bench/topic-${topic}`);
    client = open[peer]?.(port, names, ({ n }) => {
      received.push(n);
      if (received.length === due) isComplete?.();
    });
    await until(() => client?.isReady());
  },

  /** Resolves when a message has arrived, and resets that. */
  async receives(): Promise<void> {
    await until(() => received.length > 0);
    received = [];
  },

  wasmBytes: () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0),

  down: () => until(() => client?.isDown()),

  /** The time from the call to the last of so many messages, ms. */
  async back(count: number): Promise<number> {
    due = count;
    const complete = new Promise<void>((resolve) => {
      isComplete = resolve;
    });
    const startMs = performance.now();
    client?.back();
    await complete;
    const ms = performance.now() - startMs;
    if (!received.every((n, i) => n === i)) throw new Error("not all messages, or not in order");
    due = Number.POSITIVE_INFINITY;
    received = [];
    await until(() => client?.isReady());
    return ms;
  },
};
