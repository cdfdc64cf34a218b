// socket.io-client on WebSocket alone: Engine.IO 4, Socket.IO 5, one event in a frame, as the
// protocol has no batch.

import type { Peer } from "../../peer.js";
import { handler, serve } from "../../socket.js";
import { asReceived, topicName } from "../../workload.js";

/** The default of 25 s would need pings, which the bench leaves out for all peers. */
const open = `0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":600000,"pingTimeout":20000,"maxPayload":1000000}`;

export const socketIo: Peer = {
  name: "socket.io",
  async open({ topics }, listener) {
    const { io } = await import("socket.io-client");
    serve({
      protocol: "",
      opened: () => [open],
      answer: (frame) => (frame === "40" ? [`40{"sid":"wZX3oN0bSVIhsaknAAAI"}`] : []),
    });
    const socket = io("http://bench.invalid", { transports: ["websocket"], forceNew: true });
    for (let topic = 0; topic < topics; topic++) socket.on(topicName(topic), (data) => listener(data, 0));
    const receive = await handler(() => socket.connected);
    return {
      encode: (frame) => frame.map(({ topic, json }) => asReceived(`42["${topicName(topic)}",${json}]`)),
      receive,
      close: () => void socket.close(),
    };
  },
};
