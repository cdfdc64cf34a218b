// The page's side of a bench of receivers: it opens the peers of a case and times one of them at a
// time.

import { hub } from "./hub.js";
import type { Peer, Receiver } from "./peer.js";
import { replaceWebSocket, serve } from "./socket.js";
import { type Case, Source, seeManyShapes } from "./workload.js";

class Contestant {
  readonly #case: Case;
  readonly #source: Source;
  #receiver: Receiver | undefined;
  #events: MessageEvent[] = [];
  #due = 0;
  #received = 0;
  #sum = 0;

  constructor(of: Case) {
    this.#case = of;
    this.#source = new Source(of);
  }

  async open(peer: Peer): Promise<void> {
    this.#receiver = await peer.open(this.#case, (data) => {
      this.#received++;
      this.#sum += (data as { n: number }).n;
    });
  }

  /** Makes the events of this many frames. */
  prepare(frames: number): void {
    this.#events = [];
    this.#due += frames * this.#case.perFrame;
    for (let i = 0; i < frames; i++) {
      for (const data of this.#receiver?.encode(this.#source.frame()) ?? []) {
        const event = new MessageEvent("message", { data });
        const plain = { data, timeStamp: event.timeStamp } as MessageEvent;
        this.#events.push(this.#case.isPlain ? plain : event);
      }
    }
  }

  /**
   * The timed part. Peers that deliver later get a microtask after each event, as in a browser, and
   * tasks at the end.
   */
  async receive(): Promise<void> {
    const receive = this.#receiver?.receive;
    if (receive === undefined) throw new Error("not open");
    const perEvent = (this.#due - this.#received) / this.#events.length;
    let due = this.#received;
    for (const event of this.#events) {
      receive(event);
      due += perEvent;
      if (this.#received < due) await undefined;
    }
    const endMs = performance.now() + 5_000;
    while (this.#received < this.#due && performance.now() < endMs) await nextTask();
  }

  /** Sends the prepared frames to an echo, which keeps them. Not timed. */
  upload(echo: WebSocket): void {
    for (const { data } of this.#events) echo.send(data);
  }

  /**
   * The timed part over a socket: the echo sends each frame back, and the browser makes the events.
   */
  async receiveFrom(echo: WebSocket): Promise<void> {
    const receive = this.#receiver?.receive;
    if (receive === undefined) throw new Error("not open");
    let left = this.#events.length;
    const endMs = performance.now() + 30_000;
    if (left > 0) {
      await new Promise<void>((resolve) => {
        echo.onmessage = (event) => {
          receive(event);
          if (--left === 0) resolve();
        };
        echo.send("go");
      });
    }
    while (this.#received < this.#due && performance.now() < endMs) await nextTask();
  }

  /** Throws if a message was lost or came twice. */
  check(): void {
    if (this.#received !== this.#due) throw new Error(`${this.#received} of ${this.#due} messages`);
    if (this.#sum !== this.#source.sum) throw new Error("other messages were received than sent");
  }

  close(): void {
    this.#receiver?.close();
  }
}

function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

declare global {
  var bench: unknown;
  /** Exists with Chromium's --expose-gc. */
  var gc: (() => void) | undefined;
}

/** Publishes the functions that bench/contest.mjs calls. */
export function offer(peers: readonly Peer[]): void {
  let contestants = new Map<string, Contestant>();
  let current: Contestant | undefined;
  let echo: WebSocket | undefined;
  const RealWebSocket = globalThis.WebSocket;
  replaceWebSocket();
  const seen = { sum: 0 };
  seeManyShapes((data) => {
    seen.sum += (data as { n: number }).n;
  });
  globalThis.bench = {
    peers: peers.map(({ name }) => name),

    /** Opens all peers for a case, in place of those of the last case. */
    async open(of: Case): Promise<void> {
      for (const contestant of contestants.values()) contestant.close();
      contestants = new Map(peers.map(({ name }) => [name, new Contestant(of)]));
      for (const peer of peers) {
        serve(hub);
        await contestants.get(peer.name)?.open(peer);
      }
    },

    prepare(name: string, frames: number): void {
      current = contestants.get(name);
      current?.prepare(frames);
      globalThis.gc?.();
    },

    /** Makes frames come over a socket from now on. */
    async connect(url: string): Promise<void> {
      const socket = new RealWebSocket(url);
      socket.binaryType = "arraybuffer";
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = reject;
      });
      echo = socket;
    },

    upload: () => echo && current?.upload(echo),
    receive: () => (echo ? current?.receiveFrom(echo) : current?.receive()),
    check: () => current?.check(),
  };
}
