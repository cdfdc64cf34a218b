import { expect, test, vi } from "vitest";
import type { Gap } from "./api.js";
import type { Messages, Receiver } from "./frame.js";
import { Incoming } from "./incoming.js";
import { Scheduler } from "./scheduler.js";
import type { Core } from "./wasm/longhaul.js";

const frameCharsMax = 262_144;

/** The core's answers to a run of messages or a snapshot. */
type Answer = (run: number, no: number, first: number) => number;

/** A core that records its calls. By default it accepts everything. */
class RecordingCore {
  calls: unknown[][] = [];
  answer: Answer = () => 0;
  isEstablished = true;

  messages(connection: number, no: number, run: number, first: number, count: number, chain: number): number {
    this.calls.push(["messages", connection, no, first, count, chain]);
    return this.answer(run, no, first);
  }

  snapshot(connection: number, no: number, run: number, seq: number, chain: number): number {
    this.calls.push(["snapshot", connection, no, seq, chain]);
    return this.answer(run, no, seq);
  }

  record(connection: number, text: string): void {
    this.calls.push(["record", connection, text]);
  }

  heard(connection: number, hasMore: boolean): boolean {
    this.calls.push(["heard", connection, hasMore]);
    return this.isEstablished;
  }

  garbage(connection: number, what: number): void {
    this.calls.push(["garbage", connection, what]);
  }
}

/** The numbers of faults. */
const [unreadable, binary, partMissing, tooLarge] = [0, 1, 2, 3];

/** The host, with streams 7 and 9 of messages and 8 of a document, which record what they get. */
function setup() {
  const told = new RecordingCore();
  // A failed expectation within a turn fails the test.
  const crashed = vi.fn((_: unknown, cause: unknown): void => {
    throw cause;
  });
  const finished = vi.fn();
  const scheduler = new Scheduler(crashed, finished);
  scheduler.core = told as unknown as Core;
  const incoming = new Incoming(scheduler);
  const heard: unknown[][] = [];
  const add = (no: number, topic: string, isDocument = false): Receiver => {
    const stream: Receiver = {
      no,
      topic,
      epoch: "",
      isPassive: false,
      deliver: ({ first, count, data }: Messages, skip) => void heard.push([no, first, count, data, skip]),
      reportGap: (gap: Gap) => void heard.push([no, gap]),
      follows: (seq, chain) => void heard.push([no, "follows", seq, chain]),
      ...(isDocument && { checkpoint: (seq, hash) => void heard.push([no, "checkpoint", seq, hash]) }),
    };
    incoming.streams.set(no, stream);
    return stream;
  };
  const streams = [add(7, "a"), add(8, "d", true), add(9, "b")] as const;
  return { told, scheduler, incoming, heard, streams, crashed, finished };
}

const message = (seq: number, data: unknown, no = 7): string =>
  `m ${no} ${seq} 0 1000 - ${JSON.stringify(data)}`;

test("a frame's records are handled in order: messages by their streams, the others by the core", () => {
  const { told, incoming, heard } = setup();
  const frame = ["ping 1", message(1, "x"), "", 'b 9 5 2 9 1000 ["y",0,0,"z",1,0]', "pong 2", ""].join("\n");
  incoming.receive(3, frame);
  expect(told.calls).toEqual([
    ["record", 3, "ping 1"],
    ["messages", 3, 7, 1, 1, 0],
    ["messages", 3, 9, 5, 2, 9],
    ["record", 3, "pong 2"],
  ]);
  expect(heard).toEqual([
    [7, 1, 1, "x", 0],
    [9, 5, 2, ["y", 0, 0, "z", 1, 0], 0],
  ]);
  expect(incoming.charsReceived).toBe(frame.length);
});

test("duplicates are skipped, and dropped runs are not delivered", () => {
  const { told, incoming, heard } = setup();
  told.answer = (_, no) => (no === 7 ? 1 : -1);
  incoming.receive(1, 'b 7 5 2 0 1000 ["y",0,0,"z",1,0]\nm 9 1 0 1000 - 1');
  expect(heard).toEqual([[7, 5, 2, ["y", 0, 0, "z", 1, 0], 1]]);
});

test("messages of an ended subscription go only to the core", () => {
  const { told, incoming, heard } = setup();
  incoming.streams.clear();
  incoming.receive(1, message(1, "x"));
  expect(told.calls).toHaveLength(1);
  expect(heard).toEqual([]);
});

test("a run that the core holds is delivered as it came, when the hole before it is filled", () => {
  const { told, scheduler, incoming, heard } = setup();
  const runs = new Map<number, number>();
  told.answer = (run, _, first) => {
    runs.set(first, run);
    if (first > 1) incoming.hold(run);
    else {
      // The run that fills the hole is delivered with the runs behind it.
      incoming.deliver(7, run, 0);
      incoming.deliver(7, runs.get(2) ?? 0, 0);
      incoming.deliver(7, runs.get(3) ?? 0, 0);
      expect(heard).toEqual([]);
    }
    return -2;
  };
  incoming.receive(1, [message(3, "c"), message(2, "b"), message(1, "a")].join("\n"));
  expect(heard.map(([, first, , data]) => [first, data])).toEqual([
    [1, "a"],
    [2, "b"],
    [3, "c"],
  ]);
  incoming.deliver(7, runs.get(2) ?? 0, 0);
  scheduler.settle();
  expect(heard).toHaveLength(3);
});

test.for(["discard", "drop"] as const)("what was held is not delivered after %s", (how) => {
  const { told, scheduler, incoming, heard } = setup();
  let held = 0;
  told.answer = (run) => {
    held ||= run;
    incoming.hold(run);
    return -2;
  };
  incoming.receive(1, [message(3, "c"), message(4, "d")].join("\n"));
  incoming[how](held);
  incoming.deliver(7, held, 0);
  scheduler.settle();
  expect(heard).toEqual([]);
});

test("runs that are delivered at the end of an outer turn are unchanged", () => {
  const { told, scheduler, incoming, heard } = setup();
  told.answer = (run) => {
    incoming.deliver(7, run, 0);
    return -2;
  };
  scheduler.run(() => incoming.receive(1, [message(1, "a"), message(2, "b")].join("\n")));
  expect(heard.map(([, first, , data]) => [first, data])).toEqual([
    [1, "a"],
    [2, "b"],
  ]);
});

test("effects of a run take place within its turn, before the next record is read", () => {
  const { told, scheduler, incoming } = setup();
  const order: string[] = [];
  told.answer = (_, __, first) => {
    expect(scheduler.depth).toBe(1);
    scheduler.defer(() => order.push(`listener ${first}`));
    order.push(`core ${first}`);
    return -2;
  };
  incoming.receive(1, [message(1, 0), message(2, 0)].join("\n"));
  expect(order).toEqual(["core 1", "listener 1", "core 2", "listener 2"]);
});

const bad = [
  ["a message without an id", 'm 7 2 0 1000 "x"'],
  ["a message that is no JSON", "m 7 2 0 1000 - {"],
  ["a batch of the wrong length", 'b 7 2 2 0 1000 ["x",0,0]'],
  ["a patch without a chain", "patch 7 2 x"],
  ["a snapshot without a chain", "snapshot 8 2"],
  ["a part without its rest", "part 0 x y"],
] as const;

test.for(bad)("%s is garbage, and nothing after a message like that is read", ([, record]) => {
  const { told, incoming, heard } = setup();
  incoming.receive(4, `${message(1, "x")}\n${record}`);
  expect(told.calls.slice(1)).toEqual([["garbage", 4, unreadable]]);
  expect(heard).toHaveLength(1);
});

test("after an unreadable record the rest of the frame is not read", () => {
  const { told, incoming } = setup();
  incoming.receive(4, `m 7 2 0 1000 - {\n${message(3, "x")}\nping 1`);
  expect(told.calls).toEqual([["garbage", 4, unreadable]]);
});

test("a binary or too large frame of a socket is unreadable", () => {
  const { told, incoming } = setup();
  const hear = incoming.receiver(5);
  const event = (data: unknown): MessageEvent => ({ data }) as MessageEvent;
  hear(event(new ArrayBuffer(1)));
  const most = "x".repeat(frameCharsMax - message(1, "").length);
  hear(event(message(1, `${most}x`)));
  expect(told.calls).toEqual([
    ["garbage", 5, binary],
    ["garbage", 5, tooLarge],
  ]);
  expect(incoming.charsReceived).toBe(0);
  hear(event(message(1, most)));
  expect(told.calls.slice(2)).toEqual([["messages", 5, 7, 1, 1, 0]]);
});

test("frames of a crashed core's socket are ignored", () => {
  const { scheduler, incoming, heard } = setup();
  const hear = incoming.receiver(5);
  const next = new RecordingCore();
  scheduler.core = next as unknown as Core;
  hear({ data: message(1, "x") } as MessageEvent);
  hear({ data: new ArrayBuffer(1) } as MessageEvent);
  expect(next.calls).toEqual([]);
  expect(heard).toEqual([]);
});

test("between a crash and the next core frames are ignored, without exceptions", () => {
  const { scheduler, incoming, heard } = setup();
  scheduler.core = undefined;
  incoming.receive(1, `${message(1, "x")}\nping 1`);
  expect(heard).toEqual([]);
});

test("a crash is reported once and ends the turn, and the rest of the frame is not read", () => {
  const { told, scheduler, incoming, heard, crashed } = setup();
  const core = scheduler.core;
  const cause = new Error("unreachable");
  crashed.mockImplementation(() => {
    scheduler.core = undefined;
    expect(scheduler.depth).toBe(0);
  });
  told.answer = (_, __, first) => {
    if (first === 2) throw cause;
    return 0;
  };
  incoming.receive(1, [message(1, "x"), message(2, "y"), message(3, "z"), "ping 1"].join("\n"));
  expect(crashed.mock.calls).toEqual([[core, cause]]);
  expect(told.calls).toHaveLength(2);
  expect(heard).toHaveLength(1);
});

test("after a crash that a listener causes, the rest of the frame comes again", () => {
  const { told, scheduler, incoming, streams } = setup();
  const next = new RecordingCore();
  streams[0].deliver = () => {
    scheduler.core = next as unknown as Core;
  };
  incoming.receive(1, [message(1, "x"), message(2, "y"), "ping 1"].join("\n"));
  expect(told.calls).toHaveLength(1);
  expect(next.calls).toEqual([]);
});

test("entries of a document that follow each other are one run", () => {
  const { told, incoming, heard } = setup();
  const entries = ['patch 8 4 1 1000 - - [{"op":"remove","path":"/x"}]', "merge 8 5 2 1000 - - {}"];
  incoming.receive(1, [...entries, message(1, "x"), "merge 8 7 3 1000 - - {}"].join("\n"));
  expect(told.calls).toEqual([
    ["messages", 1, 8, 4, 2, 2],
    ["messages", 1, 7, 1, 1, 0],
    ["messages", 1, 8, 7, 1, 3],
  ]);
  expect(heard[0]).toEqual([8, 4, 2, entries.join("\n"), 0]);
});

test("a snapshot that the core accepts reaches its document as text", () => {
  const { told, incoming, heard, finished } = setup();
  incoming.receive(1, 'snapshot 8 4 9 1000 0 {"x":1}');
  expect(told.calls).toEqual([["snapshot", 1, 8, 4, 9]]);
  expect(heard).toEqual([[8, 4, 1, '0 {"x":1}', 0]]);
  expect(finished).toHaveBeenCalledOnce();
  told.answer = () => -1;
  incoming.receive(1, 'snapshot 8 5 9 1000 0 {"x":1}');
  expect(heard).toHaveLength(1);
});

test("a snapshot does not take the number of a run that is held", () => {
  const { told, scheduler, incoming, heard } = setup();
  const runs: number[] = [];
  told.answer = (run) => {
    runs.push(run);
    incoming.hold(run);
    return -2;
  };
  incoming.receive(1, `${message(2, "b")}\nsnapshot 8 4 9 1000 0 {}`);
  expect(new Set(runs).size).toBe(2);
  for (const run of runs) incoming.deliver(7, run, 0);
  scheduler.settle();
  expect(heard.map(([, , , data]) => data)).toEqual(["b", "0 {}"]);
});

test("a checkpoint reaches its document, and one without a document does no harm", () => {
  const { told, incoming, heard } = setup();
  incoming.receive(1, "checkpoint 8 4 77\ncheckpoint 5 4 77\ncheckpoint");
  expect(heard).toEqual([[8, "checkpoint", 4, 77]]);
  expect(told.calls).toEqual([["record", 1, "checkpoint"]]);
});

test.for([
  ["a snapshot for a topic of messages", 'snapshot 7 4 9 1000 0 {"x":1}'],
  ["a change for a topic of messages", "merge 7 5 2 1000 - - {}"],
  ["a checkpoint for a topic of messages", "checkpoint 7 4 77"],
  ["a message for a document", message(1, "x", 8)],
])("h4 d7 what a subscription did not ask for is a bad frame: %s", ([, record]) => {
  const { told, incoming, heard } = setup();
  incoming.receive(1, `${record}\n`);
  expect(told.calls).toEqual([["garbage", 1, unreadable]]);
  expect(heard).toEqual([]);
});

test("w9: a record in parts is read when the last one is there, and each is a sign of life", () => {
  const { told, incoming, heard, finished } = setup();
  const record = message(1, "long");
  incoming.receive(1, `part 0 ${record.length - 5} ${record.slice(0, 5)}\nping 1`);
  expect(heard).toEqual([]);
  finished.mockClear();
  incoming.receive(1, `part 1 0 ${record.slice(5)}`);
  expect(finished).toHaveBeenCalledOnce();
  expect(told.calls).toEqual([
    ["heard", 1, true],
    ["record", 1, "ping 1"],
    ["heard", 1, false],
    ["messages", 1, 7, 1, 1, 0],
  ]);
  expect(heard).toEqual([[7, 1, 1, "long", 0]]);
});

test("w9: a part that does not follow is unreadable", () => {
  const { told, incoming } = setup();
  incoming.receive(1, "part 1 0 x");
  expect(told.calls).toEqual([
    ["heard", 1, false],
    ["garbage", 1, partMissing],
  ]);
});

test("w9: parts from a connection that is not established, or from a crashed core, are dropped", () => {
  const { told, incoming, heard } = setup();
  told.isEstablished = false;
  incoming.receive(2, "part 0 1 ping ");
  told.isEstablished = true;
  incoming.receive(2, "part 1 0 1");
  expect(told.calls.at(-1)).toEqual(["garbage", 2, partMissing]);
  incoming.receive(2, "part 0 1 ping ");
  incoming.drop();
  incoming.receive(2, "part 1 0 1");
  expect(told.calls.at(-1)).toEqual(["garbage", 2, partMissing]);
  expect(heard).toEqual([]);
});

test("w9: a part whose turn ends in a crash is not read", () => {
  const { told, scheduler, incoming, crashed } = setup();
  crashed.mockImplementation(() => {
    scheduler.core = undefined;
  });
  vi.spyOn(told, "heard").mockImplementation(() => {
    throw new Error("unreachable");
  });
  incoming.receive(1, "part 0 0 ping 1");
  expect(crashed).toHaveBeenCalledOnce();
  expect(told.calls).toEqual([]);
});

test("the position and the log of a stream are set after the turn", () => {
  const { scheduler, incoming, heard, streams } = setup();
  scheduler.run(() => {
    incoming.streaming(7, "e1/41/99");
    incoming.streaming(5, "e1/41/99");
    expect(streams[0].epoch).toBe("");
  });
  expect(streams[0].epoch).toBe("e1");
  expect(heard).toEqual([[7, "follows", 41, 99]]);
});

test("a gap is reported after the turn, and its end is Infinity if it is unknown", () => {
  const { scheduler, incoming, heard } = setup();
  scheduler.run(() => {
    incoming.gap(7, "e", 2, 5, "expired");
    incoming.gap(7, "e", 6, undefined, "epoch");
    incoming.gap(5, "e", 2, 5, "expired");
    expect(heard).toEqual([]);
  });
  expect(heard).toEqual([
    [7, { epoch: "e", fromSeq: 2, toSeq: 5, reason: "expired" }],
    [7, { epoch: "e", fromSeq: 6, toSeq: Number.POSITIVE_INFINITY, reason: "epoch" }],
  ]);
});
