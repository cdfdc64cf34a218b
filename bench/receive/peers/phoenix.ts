// phoenix with its serializer 2.0.0: one broadcast in a frame, as the protocol has no batch.

import type { Peer } from "../../peer.js";
import { handler, serve } from "../../socket.js";
import { asReceived, topicName } from "../../workload.js";

export const phoenix: Peer = {
  name: "phoenix",
  async open({ topics }, listener) {
    const { Socket } = await import("phoenix");
    serve({
      protocol: "",
      opened: () => [],
      answer: (frame) => {
        const [joinRef, ref, topic] = JSON.parse(String(frame));
        return [JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "ok", response: {} }])];
      },
    });
    const socket = new Socket("ws://bench.invalid/socket");
    socket.connect();
    const channels = Array.from({ length: topics }, (_, topic) => {
      const channel = socket.channel(topicName(topic));
      channel.on("message", (data) => listener(data, 0));
      channel.join();
      return channel;
    });
    const receive = await handler(() => channels.every(({ state }) => state === "joined"));
    return {
      encode: (frame) =>
        frame.map(({ topic, json }) => asReceived(`[null,null,"${topicName(topic)}","message",${json}]`)),
      receive,
      close: () => socket.disconnect(),
    };
  },
};
