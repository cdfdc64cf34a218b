// Layout A: a frame is one JSON value, `["m",no,seq,count,chain,at,[payload,time after at,id or
// 0,…], "m",…]`.

import type { Peer } from "../../peer.js";
import { asReceived, runs } from "../../workload.js";
import { emptyMessages, openCore, topicNo } from "./core.js";

const fields = 7;

export const layoutA: Peer = {
  name: "A json",
  async open(of, listener) {
    const opened = await openCore(of, listener, (core, connection, streams) => {
      const read = emptyMessages();
      read.isBatch = true;
      let run = 0;
      return (event) => {
        const text: string = event.data;
        const frame: unknown = JSON.parse(text);
        if (!Array.isArray(frame)) throw new Error("not a frame");
        for (let i = 0; i < frame.length; i += fields) {
          if (frame[i] !== "m") throw new Error("not a messages record");
          const no = number(frame[i + 1], 2 ** 31 - 1);
          const first = number(frame[i + 2], 2 ** 53 - 1);
          const count = number(frame[i + 3], 2 ** 31 - 1);
          const chain = number(frame[i + 4], 2 ** 48 - 1);
          read.at = number(frame[i + 5], 2 ** 53 - 1);
          const data: unknown = frame[i + 6];
          if (!Array.isArray(data) || data.length !== 3 * count) throw new Error("not that many messages");
          read.no = no;
          read.first = first;
          read.count = count;
          read.data = data;
          run = (run + 1) % 2 ** 31;
          const skip = core.messages(
            connection,
            no,
            run,
            first,
            count,
            chain,
            // The length of the payload alone is not known any more.
            text.length,
          );
          if (skip >= 0) streams.get(no)?.deliver(read, skip);
        }
      };
    });
    return {
      ...opened,
      encode: (frame) => {
        const records = runs(frame).map((run) => {
          const [first, last] = [run[0], run.at(-1)];
          if (first === undefined || last === undefined) throw new Error("an empty run");
          const entries = run.map(({ json, at, id }) => `${json},${at - first.at},${id ? `"${id}"` : 0}`);
          return `"m",${topicNo(first.topic)},${first.seq},${run.length},${last.chain},${first.at},[${entries.join(",")}]`;
        });
        return [asReceived(`[${records.join(",")}]`)];
      },
    };
  },
};

function number(value: unknown, max: number): number {
  if (typeof value === "number" && value >= 0 && value <= max && Number.isInteger(value)) return value;
  throw new Error("not a number of the wire");
}
