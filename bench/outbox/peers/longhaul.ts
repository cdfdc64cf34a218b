// The built package by its public API, with a hub in the page. The hub is silent while publications
// are queued, then it acknowledges each.

import { connect } from "longhaul";
import type { Data } from "../../socket.js";
import { replaceWebSocket, serve } from "../../socket.js";
import type { Peer, Row, Send } from "../queue.js";

const epoch = "00000000000000b1";

export const longhaul: Peer = {
  name: "longhaul",
  async open(database) {
    let send: Send | undefined;
    let last = 0;
    const answer = (record: string): string[] => {
      if (record.startsWith("hello ")) return ["welcome bench 1763000000000"];
      const [verb, producer, n, , topic, ...payload] = record.split(" ");
      if (verb !== "pub") return [];
      const row: Row = { topic: topic ?? "", data: JSON.parse(payload.join(" ")), createdAtMs: 0 };
      send?.(row);
      return [`ack ${producer} ${n} ${epoch} ${++last} 0`];
    };
    replaceWebSocket();
    serve({
      protocol: "longhaul.v1",
      opened: () => [],
      answer: (frame: Data) => {
        const answers = send === undefined ? [] : String(frame).split("\n").flatMap(answer);
        return answers.length > 0 ? [answers.join("\n")] : [];
      },
    });
    const client = connect("http://hub.invalid", {
      transports: ["websocket"],
      outbox: { name: database },
    });
    const outcomes: Promise<unknown>[] = [];
    return {
      async add({ topic, data }) {
        const { durable, acked } = await client.topic(topic).publish(data);
        if (!durable) throw new Error("a publication was not durable");
        outcomes.push(acked);
      },
      async drain(to) {
        send = to;
        client.reconnect();
        await Promise.all(outcomes);
        // Storage has nothing left to do.
        await client.outbox.flush();
      },
      close: () => client.close(),
    };
  },
};
