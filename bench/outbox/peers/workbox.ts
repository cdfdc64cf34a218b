// Workbox queues requests for a service worker. In a page it does the same work, if it finds a
// registration without Background Sync and so starts no replay. Its only way to empty a queue is
// one request at a time.

import { Queue } from "workbox-background-sync/Queue.js";
import type { Peer, Row } from "../queue.js";

export const workbox: Peer = {
  name: "workbox-background-sync",
  async open(database) {
    Object.defineProperty(globalThis, "registration", { value: {}, configurable: true });
    const queue = new Queue(database, { onSync: async () => {} });
    return {
      add: ({ topic, data, createdAtMs }) =>
        queue.pushRequest({
          request: new Request(`/v1/topics/${topic}`, { method: "POST", body: JSON.stringify(data) }),
          timestamp: createdAtMs,
        }),
      async drain(send) {
        for (;;) {
          const entry = await queue.shiftRequest();
          if (entry === undefined) return;
          const row: Row = {
            topic: new URL(entry.request.url).pathname,
            data: await entry.request.json(),
            createdAtMs: entry.timestamp ?? 0,
          };
          send(row);
        }
      },
      // All its queues share one database, which stays open. It is empty by now.
      close: () => {},
    };
  },
};
