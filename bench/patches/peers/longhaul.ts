// The built package: records of a document go to the client's own handler of message events.

import { type Client, connect, type Document } from "longhaul";
import { hub } from "../../hub.js";
import { handler, sentTexts, serve } from "../../socket.js";
import { asReceived } from "../../workload.js";
import type { Patch, Read } from "../cases.js";
import type { Holder, Peer } from "../peer.js";
import { sink } from "./library.js";

interface Event {
  readonly data: string;
  readonly timeStamp: number;
}
interface Frame {
  readonly event: Event;
  readonly pointer: string;
}

/** Entries carry the id of the client that made them. */
const producer = "7Hq2vXk9_wBzT4mRcL0aYe";

export const longhaul: Peer = {
  name: "longhaul",
  async open(start, read) {
    connection ??= begin();
    const { client, receive } = await connection;
    const name = `bench/document-${++documents}`;
    const held = new Held(client.document(name), read, receive);
    await held.begin(JSON.stringify(start), await numberOf(name));
    return held;
  },
};

/** A part of a record, ASCII characters. Source: rule W9 of docs/protocol.md. */
const partChars = 16_384;

let connection: ReturnType<typeof begin> | undefined;
/** The client's first error: it would otherwise wait for ever. */
let failure: Error | undefined;
let documents = 0;

/** One connection serves all documents. */
async function begin(): Promise<{ client: Client; receive: (event: Event) => void }> {
  serve(hub);
  const client = connect("http://bench.invalid", {
    onError: (error) => {
      failure ??= error;
    },
  });
  const receive = await handler(() => client.status.state === "connected");
  return { client, receive: receive as unknown as (event: Event) => void };
}

/** The number that the client has given to the document. */
async function numberOf(name: string): Promise<string> {
  for (;;) {
    const asked = sentTexts()
      .flatMap((frame) => frame.split("\n"))
      .find((record) => record.startsWith("sub ") && record.includes(` ${name} `));
    if (asked !== undefined) return asked.split(" ")[1] ?? "";
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

class Held implements Holder {
  readonly #document: Document<unknown>;
  readonly #read: Read;
  readonly #receive: (event: Event) => void;
  readonly #stop = new AbortController();
  #no = "";
  #seq = 1;
  #calls = 0;
  #received: unknown;
  #frames: Frame[] = [];

  constructor(document: Document<unknown>, read: Read, receive: (event: Event) => void) {
    this.#document = document;
    this.#read = read;
    this.#receive = receive;
    const { signal } = this.#stop;
    const listener = (value: unknown): void => {
      this.#calls++;
      this.#received = value;
    };
    // A client follows a document that has a listener. This listener is at a place where nothing
    // changes.
    document.subscribe(listener, read === "whole" ? { signal } : { signal, at: "/nowhere" });
  }

  async begin(start: string, no: string): Promise<void> {
    this.#no = no;
    for (const frame of inParts(`snapshot ${no} 1 1 0 ${start}`)) this.#receive(eventOf(frame));
    while (this.#document.seq < 1) {
      if (failure !== undefined) throw failure;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  prepare(frames: readonly (readonly Patch[])[]): void {
    this.#calls = 0;
    this.#frames = frames.map((frame) => {
      const records = frame.map(({ text }) => {
        const seq = ++this.#seq;
        return `patch ${this.#no} ${seq} ${(seq * 2_654_435_761) % 2 ** 48} ${1_763_000_000_000 + seq} ${producer}:${seq} ${text}`;
      });
      const pointer = (frame.at(-1)?.place ?? []).map((key) => `/${key}`).join("");
      return { event: eventOf(records.join("\n")), pointer };
    });
  }

  async run(): Promise<void> {
    for (const { event, pointer } of this.#frames) {
      this.#receive(event);
      // The client calls listeners in a microtask, which a browser runs after each event.
      await undefined;
      if (this.#read === "place") sink.last = this.#document.at(pointer);
    }
  }

  value(): unknown {
    const due = this.#read === "whole" ? this.#frames.length : 0;
    if (this.#calls !== due) throw new Error(`${this.#calls} calls of the listener, not ${due}`);
    return this.#read === "whole" ? this.#received : this.#document.value;
  }

  close(): void {
    this.#stop.abort();
  }
}

/** The frames of a record as the hub sends it: a large one in parts. */
function* inParts(record: string): Generator<string> {
  if (record.length <= partChars) {
    yield record;
    return;
  }
  for (let at = 0; at < record.length; at += partChars) {
    const left = Math.max(0, record.length - at - partChars);
    yield `part ${at / partChars} ${left} ${record.slice(at, at + partChars)}`;
  }
}

function eventOf(record: string): Event {
  return { data: asReceived(record), timeStamp: performance.now() };
}
