// ably with its JSON protocol, the default of browsers: one protocol message has all messages of a
// channel in a frame.

import type { Peer } from "../../peer.js";
import { handler, serve } from "../../socket.js";
import { asReceived, runs, topicName } from "../../workload.js";

const action = { connected: 4, attach: 10, attached: 11, message: 15 };
const connectionId = "b1sIn7xQ0p";

const connected = JSON.stringify({
  action: action.connected,
  connectionId,
  connectionDetails: {
    connectionKey: "b1sIn7xQ0p!key",
    connectionStateTtl: 120_000,
    maxFrameSize: 524_288,
    maxIdleInterval: 600_000,
    maxInboundRate: 250,
    maxMessageSize: 65_536,
    serverId: "bench",
  },
});

export const ably: Peer = {
  name: "ably",
  async open({ topics }, listener) {
    const { Realtime } = await import("ably");
    serve({
      protocol: "",
      opened: () => [connected],
      answer: (frame) => {
        const message = JSON.parse(String(frame));
        if (message.action !== action.attach) return [];
        const { channel } = message;
        return [JSON.stringify({ action: action.attached, channel, channelSerial: "0", flags: 983_040 })];
      },
    });
    const client = new Realtime({
      key: "bench.bench:bench",
      transports: ["web_socket"],
      disableConnectivityCheck: true,
      logLevel: 0,
    });
    const channels = Array.from({ length: topics }, (_, topic) => client.channels.get(topicName(topic)));
    await Promise.all(channels.map((channel) => channel.subscribe((message) => listener(message.data, 0))));
    const receive = await handler(() => channels.every(({ state }) => state === "attached"));
    let serial = 0;
    return {
      encode: (frame) =>
        runs(frame).map((run) => {
          const messages = run.map(({ json }) => ({ name: "message", encoding: "json", data: json }));
          return asReceived(
            JSON.stringify({
              action: action.message,
              id: `${connectionId}:${++serial}`,
              connectionId,
              channel: topicName(run[0]?.topic ?? 0),
              channelSerial: `${serial}`,
              timestamp: run[0]?.at,
              messages,
            }),
          );
        }),
      receive,
      close: () => client.close(),
    };
  },
};
