// The page's side: a client that is connected, loses its line, and is told when to come back.

import { Centrifuge, State, SubscriptionState } from "centrifuge";
import { connect } from "longhaul";
import { io } from "socket.io-client";

type Listener = (data: { n: number }) => void;

interface Client {
  isReady(): boolean;
  /** Whether it knows that its line is cut. */
  isDown(): boolean;
  /** Connects again, now. */
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
    // It would be trying when it is told to come back: left to itself it would wait for a second.
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

/** The browser does not count wasm memory with the heap: instances are noted as they are made. */
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

/** What bench/resume/run.mjs calls. */
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

  /** Resolves when something was received, and forgets it. */
  async receives(): Promise<void> {
    await until(() => received.length > 0);
    received = [];
  },

  wasmBytes: () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0),

  down: () => until(() => client?.isDown()),

  /** From the call to the last of so many messages, ms. */
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
