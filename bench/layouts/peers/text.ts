// Layout B: a header of plain numbers, then the payload as JSON, one line for each record:
// docs/protocol.md.

import { connect } from "longhaul";
import { isMessages, readMessages } from "../../../js/src/frame.js";
import { hasSubscribed } from "../../hub.js";
import type { Peer } from "../../peer.js";
import { handler } from "../../socket.js";
import { asReceived, runs, type Sent, topicName } from "../../workload.js";
import { emptyMessages, openCore, topicNo } from "./core.js";

/** Layout B with the package's own reader, and nothing else of the package. */
export const layoutB: Peer = {
  name: "B text",
  async open(of, listener) {
    const opened = await openCore(of, listener, (core, connection, streams) => {
      const read = emptyMessages();
      let run = 0;
      return (event) => {
        const text: string = event.data;
        for (let at = 0; at < text.length; ) {
          const newline = text.indexOf("\n", at);
          const end = newline < 0 ? text.length : newline;
          if (!isMessages(text, at) || !readMessages(text, at, end, read)) throw new Error("not messages");
          const { no, first, count, chain, chars } = read;
          run = (run + 1) % 2 ** 31;
          const skip = core.messages(connection, no, run, first, count, chain, chars);
          if (skip >= 0) streams.get(no)?.deliver(read, skip);
          at = end + 1;
        }
      };
    });
    return { ...opened, encode };
  },
};

/** Layout B as users have it: the built package, from its `connect` on. */
export const shipped: Peer = {
  name: "B shipped",
  async open({ topics }, listener) {
    const client = connect("http://bench.invalid", {
      onError: (error) => {
        throw error;
      },
    });
    for (let topic = 0; topic < topics; topic++) {
      client.topic(topicName(topic)).subscribe((message) => listener(message.data, message.seq));
    }
    const receive = await handler(() => client.status.state === "connected" && hasSubscribed(topics));
    return { encode, receive, close: () => void client.close() };
  },
};

function encode(frame: readonly Sent[]): string[] {
  return [asReceived(runs(frame).map(record).join("\n"))];
}

function record(run: readonly Sent[]): string {
  const [first, last] = [run[0], run.at(-1)];
  if (first === undefined || last === undefined) throw new Error("an empty run");
  const no = topicNo(first.topic);
  if (run.length === 1) {
    return `m ${no} ${first.seq} ${first.chain} ${first.at} ${first.id ?? "-"} ${first.json}`;
  }
  const entries = run.map(({ json, at, id }) => `${json},${at - first.at},${id ? `"${id}"` : 0}`);
  return `b ${no} ${first.seq} ${run.length} ${last.chain} ${first.at} [${entries.join(",")}]`;
}
