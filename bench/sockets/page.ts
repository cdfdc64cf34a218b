// The page for replays of the real hub: it subscribes from the start and times the last message.

import { type Client, connect } from "longhaul";

let client: Client | undefined;
let frames = 0;

/** Counts the frames that arrive. */
class CountedSocket extends WebSocket {
  constructor(...args: ConstructorParameters<typeof WebSocket>) {
    super(...args);
    this.addEventListener("message", () => {
      frames++;
    });
  }
}

Object.defineProperty(globalThis, "replay", {
  value: {
    async open(url: string): Promise<void> {
      globalThis.WebSocket = CountedSocket;
      const opened = connect(url, { transports: ["websocket"] });
      client = opened;
      while (opened.status.state !== "connected")
        await new Promise((resolve) => opened.on("status", resolve));
    },

    async run(topic: string, count: number): Promise<{ ms: number; frames: number }> {
      const startMs = performance.now();
      frames = 0;
      let next = 1;
      let stop: (() => void) | undefined;
      await new Promise<void>((resolve) => {
        stop = client?.topic(topic).subscribe(
          ({ seq }) => {
            if (seq !== next++) throw new Error(`seq ${seq}`);
            if (seq === count) resolve();
          },
          { from: "start" },
        );
      });
      const ms = performance.now() - startMs;
      stop?.();
      return { ms, frames };
    },
  },
});
