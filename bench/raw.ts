// The floor: code that an app writes by hand when it promises nothing.

import type { Peer } from "./peer.js";
import { asReceived, topicName } from "./workload.js";

type Callback = (data: unknown, seq: number) => void;

/**
 * One JSON value for each message: JSON.parse, a Map lookup, the callback. One message a frame in
 * every case.
 */
export const raw: Peer = {
  name: "raw",
  async open({ topics }, listener) {
    const callbacks = new Map<string, Callback>();
    for (let topic = 0; topic < topics; topic++) callbacks.set(topicName(topic), listener);
    return {
      encode: (frame) =>
        frame.map(({ topic, seq, id, json }) => {
          const withId = id === undefined ? "" : `,"i":"${id}"`;
          return asReceived(`{"t":"${topicName(topic)}","s":${seq}${withId},"d":${json}}`);
        }),
      receive: (event) => {
        const message = JSON.parse(event.data);
        const callback = callbacks.get(message.t);
        if (callback !== undefined) callback(message.d, message.s);
      },
      close: () => {},
    };
  },
};

/** One JSON value for each frame: `[[topic's number, seq, payload], …]`. */
export const rawBatch: Peer = {
  name: "raw-batch",
  async open({ topics }, listener) {
    const callbacks = new Map<number, Callback>();
    for (let topic = 0; topic < topics; topic++) callbacks.set(topic, listener);
    return {
      encode: (frame) => {
        const entries = frame.map(({ topic, seq, id, json }) =>
          id === undefined ? `[${topic},${seq},${json}]` : `[${topic},${seq},${json},"${id}"]`,
        );
        return [asReceived(`[${entries.join(",")}]`)];
      },
      receive: (event) => {
        const entries = JSON.parse(event.data);
        for (let i = 0; i < entries.length; i++) {
          const entry = entries[i];
          const callback = callbacks.get(entry[0]);
          if (callback !== undefined) callback(entry[2], entry[1]);
        }
      },
      close: () => {},
    };
  },
};
