// centrifuge with both of its protocols and the offsets of a recoverable channel; replies share a
// frame.

import type { Peer } from "../../peer.js";
import { handler, serve } from "../../socket.js";
import { asReceived, type Sent, topicName } from "../../workload.js";
import { delimited, type Field, message, read } from "./protobuf.js";

const address = "ws://bench.invalid/connection/websocket";
/** The ping interval that its server announces by default, s. */
const ping = 25;

export const centrifugeJson: Peer = {
  name: "centrifuge",
  async open({ topics }, listener) {
    const { Centrifuge, SubscriptionState } = await import("centrifuge");
    serve({
      protocol: "",
      opened: () => [],
      answer: (frame) =>
        String(frame)
          .split("\n")
          .flatMap((line) => {
            const { id, connect, subscribe } = JSON.parse(line);
            if (connect)
              return [JSON.stringify({ id, connect: { client: "bench", version: "6", ping, pong: true } })];
            if (!subscribe) return [];
            return [
              JSON.stringify({ id, subscribe: { recoverable: true, epoch: "xkQz", positioned: true } }),
            ];
          }),
    });
    const client = new Centrifuge(address);
    const subscriptions = Array.from({ length: topics }, (_, topic) => {
      const subscription = client.newSubscription(topicName(topic));
      subscription.on("publication", ({ data, offset }) => listener(data, offset ?? 0));
      subscription.subscribe();
      return subscription;
    });
    client.connect();
    const receive = await handler(() =>
      subscriptions.every(({ state }) => state === SubscriptionState.Subscribed),
    );
    return {
      encode: (frame) => [asReceived(frame.map(push).join("\n"))],
      receive,
      close: () => client.disconnect(),
    };
  },
};

function push({ topic, seq, json }: Sent): string {
  return `{"push":{"channel":"${topicName(topic)}","pub":{"data":${json},"offset":${seq}}}}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** It treats payloads as bytes, so the app parses JSON itself. */
export const centrifugeProtobuf: Peer = {
  name: "centrifuge-pb",
  async open({ topics }, listener) {
    const { Centrifuge, SubscriptionState } = await import("centrifuge/build/protobuf");
    serve({
      protocol: "centrifuge-protobuf",
      opened: () => [],
      answer: (frame) =>
        typeof frame === "string" ? [] : read(frame).map((command) => delimited([reply(command)])),
    });
    const client = new Centrifuge(address);
    const subscriptions = Array.from({ length: topics }, (_, topic) => {
      const subscription = client.newSubscription(topicName(topic));
      subscription.on("publication", ({ data, offset }) =>
        listener(JSON.parse(decoder.decode(data)), offset ?? 0),
      );
      subscription.subscribe();
      return subscription;
    });
    client.connect();
    const receive = await handler(() =>
      subscriptions.every(({ state }) => state === SubscriptionState.Subscribed),
    );
    return {
      encode: (frame) => [delimited(frame.map(protobufPush))],
      receive,
      close: () => client.disconnect(),
    };
  },
};

/** Reply: 1 id, 4 push, 5 connect, 6 subscribe. Command: 1 id, 4 connect, 5 subscribe. */
function reply(command: Map<number, number>): Uint8Array {
  const id: Field = [1, command.get(1) ?? 0];
  if (command.has(4))
    return message([
      id,
      [
        5,
        message([
          [1, "bench"],
          [2, "6"],
          [7, ping],
          [8, 1],
        ]),
      ],
    ]);
  return message([
    id,
    [
      6,
      message([
        [3, 1],
        [6, "xkQz"],
        [10, 1],
      ]),
    ],
  ]);
}

/** Push: 2 channel, 4 publication. Publication: 4 data, 6 offset. */
function protobufPush({ topic, seq, json }: Sent): Uint8Array {
  const publication = message([
    [4, encoder.encode(json)],
    [6, seq],
  ]);
  return message([
    [
      4,
      message([
        [2, topicName(topic)],
        [4, publication],
      ]),
    ],
  ]);
}
