// @microsoft/signalr: the JSON hub protocol on WebSocket without negotiation; invocations in one
// frame end in 0x1e each.

import type { Peer } from "../../peer.js";
import { handler, serve } from "../../socket.js";
import { asReceived, topicName } from "../../workload.js";

const end = "\x1e";

export const signalr: Peer = {
  name: "signalr",
  async open({ topics }, listener) {
    const { HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel } = await import(
      "@microsoft/signalr"
    );
    serve({
      protocol: "",
      opened: () => [],
      answer: (frame) => (String(frame).includes(`"protocol"`) ? [`{}${end}`] : []),
    });
    const connection = new HubConnectionBuilder()
      .withUrl("http://bench.invalid/hub", { skipNegotiation: true, transport: HttpTransportType.WebSockets })
      .configureLogging(LogLevel.None)
      .build();
    for (let topic = 0; topic < topics; topic++) {
      connection.on(topicName(topic), (data) => listener(data, 0));
    }
    await connection.start();
    const receive = await handler(() => connection.state === HubConnectionState.Connected);
    return {
      encode: (frame) => {
        const invocations = frame.map(
          ({ topic, json }) => `{"type":1,"target":"${topicName(topic)}","arguments":[${json}]}${end}`,
        );
        return [asReceived(invocations.join(""))];
      },
      receive,
      close: () => void connection.stop(),
    };
  },
};
