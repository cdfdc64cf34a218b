// The decision of the real core with as little around it as possible: all layouts share it.

import type { Messages } from "../../../js/src/frame.js";
import { compile, instantiate } from "../../../js/src/instance.js";
import { Stream } from "../../../js/src/stream.js";
import type { Core } from "../../../js/src/wasm/longhaul.js";
import { bindings } from "../../../js/src/wasm/longhaul_bindings.js";
import type { Listener, Receiver } from "../../peer.js";
import { handler } from "../../socket.js";
import { type Case, topicName } from "../../workload.js";

/** The number of a topic on the wire. */
export function topicNo(topic: number): number {
  return topic + 1;
}

/**
 * The part of JavaScript that the core needs to subscribe. Nothing fails here, so the core calls no
 * other.
 */
class Host {
  readonly streams = new Map<number, Stream>();
  connection = 0;
  begun = 0;
  onFrame: (event: MessageEvent) => void = () => {};

  receiver(connection: number): (event: MessageEvent) => void {
    this.connection = connection;
    return (event) => this.onFrame(event);
  }

  transmit(socket: WebSocket, records: string): void {
    socket.send(records);
  }

  streaming(no: number, epoch: string): void {
    const stream = this.streams.get(no);
    if (stream !== undefined) stream.epoch = epoch;
    this.begun++;
  }

  statusChanged(): void {}
  remember(): void {}
  place(): void {}
  settle(): void {}
}

/** Opens a core of its own; `receiverOf` makes the handler of message events. */
export async function openCore(
  { topics }: Case,
  listener: Listener,
  receiverOf: (core: Core, connection: number, streams: Map<number, Stream>) => Receiver["receive"],
): Promise<Pick<Receiver, "receive" | "close">> {
  const made = bindings();
  await instantiate(await compile("/longhaul/longhaul_bg.wasm"), made, (cause) => {
    throw cause;
  });
  const host = new Host();
  const options = new made.CoreOptions(1);
  options.address("http://bench.invalid/");
  const core = new made.Core(options, host);
  // Before the welcome and the answers, records go to the core as in the package.
  host.onFrame = ({ data }) => {
    for (const record of data.split("\n")) core.record(host.connection, record);
  };
  for (let topic = 0; topic < topics; topic++) {
    const stream = new Stream(topicNo(topic), topicName(topic), (cause) => {
      throw cause;
    });
    stream.add({
      message: (message) => listener(message.data, message.seq),
      gap: undefined,
      isPassive: false,
    });
    host.streams.set(stream.no, stream);
    core.subscribe(stream.no, stream.topic, "live", false);
  }
  core.start();
  await handler(() => host.begun === topics);
  return {
    receive: receiverOf(core, host.connection, host.streams),
    close: () => {
      core.close();
      core.free();
    },
  };
}

export function emptyMessages(): Messages {
  return {
    no: 0,
    first: 0,
    count: 0,
    chain: 0,
    at: 0,
    isBatch: false,
    data: undefined,
    id: undefined,
    chars: 0,
    kind: 0,
  };
}
