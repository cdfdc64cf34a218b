// Layout C: a binary header of 40 bytes, then the payload as JSON in UTF-8, one record behind the
// other.
//
//   0 u8 1 one message, 2 a batch    1 u8 length of the id    4 u32 no    8 f64 seq    16 u32 count
//   20 u32 bytes behind the header   24 f64 chain    32 f64 at    40 id, payload or array

import type { Peer } from "../../peer.js";
import { runs, type Sent } from "../../workload.js";
import { emptyMessages, openCore, topicNo } from "./core.js";

const headBytes = 40;
const messageId = /^[A-Za-z0-9\-_.~:+/=]{1,128}$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export const layoutC: Peer = {
  name: "C binary",
  async open(of, listener) {
    const opened = await openCore(of, listener, (core, connection, streams) => {
      const read = emptyMessages();
      let run = 0;
      return (event) => {
        const buffer: ArrayBuffer = event.data;
        const view = new DataView(buffer);
        for (let at = 0; at < buffer.byteLength; ) {
          const isBatch = view.getUint8(at) === 2;
          const idChars = view.getUint8(at + 1);
          const no = view.getUint32(at + 4, true);
          const first = view.getFloat64(at + 8, true);
          const count = view.getUint32(at + 16, true);
          const bytes = view.getUint32(at + 20, true);
          const chain = view.getFloat64(at + 24, true);
          const publishedAt = view.getFloat64(at + 32, true);
          if (!(first >= 1 && chain >= 0 && publishedAt >= 0) || no >= 2 ** 31 || count === 0) {
            throw new Error("not messages");
          }
          const text = decoder.decode(new Uint8Array(buffer, at + headBytes, bytes));
          read.no = no;
          read.first = first;
          read.count = count;
          read.at = publishedAt;
          read.isBatch = isBatch;
          if (idChars === 0) {
            read.id = undefined;
            read.data = JSON.parse(text);
          } else {
            const id = text.slice(0, idChars);
            if (!messageId.test(id)) throw new Error("not an id");
            read.id = id;
            read.data = JSON.parse(text.slice(idChars));
          }
          if (isBatch && !(Array.isArray(read.data) && read.data.length === 3 * count)) {
            throw new Error("not that many messages");
          }
          run = (run + 1) % 2 ** 31;
          const skip = core.messages(connection, no, run, first, count, chain, bytes);
          if (skip >= 0) streams.get(no)?.deliver(read, skip);
          at += headBytes + bytes;
        }
      };
    });
    return {
      ...opened,
      encode: (frame) => {
        const records = runs(frame).map(record);
        const all = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0));
        let at = 0;
        for (const bytes of records) {
          all.set(bytes, at);
          at += bytes.length;
        }
        return [all.buffer];
      },
    };
  },
};

function record(run: readonly Sent[]): Uint8Array {
  const [first, last] = [run[0], run.at(-1)];
  if (first === undefined || last === undefined) throw new Error("an empty run");
  const isBatch = run.length > 1;
  const entries = run.map(({ json, at, id }) => `${json},${at - first.at},${id ? `"${id}"` : 0}`);
  const payload = encoder.encode(isBatch ? `[${entries.join(",")}]` : `${first.id ?? ""}${first.json}`);
  const bytes = new Uint8Array(headBytes + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, isBatch ? 2 : 1);
  view.setUint8(1, isBatch ? 0 : (first.id?.length ?? 0));
  view.setUint32(4, topicNo(first.topic), true);
  view.setFloat64(8, first.seq, true);
  view.setUint32(16, run.length, true);
  view.setUint32(20, payload.length, true);
  view.setFloat64(24, last.chain, true);
  view.setFloat64(32, first.at, true);
  bytes.set(payload, headBytes);
  return bytes;
}
