// The clients of one durable outbox: their messages over real channels, and their leader.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { VirtualClock } from "../testing/api.js";
import { createVirtualClock } from "../testing/index.js";
import { type Member, type TabMessage, Tabs } from "./tabs.js";

interface Held {
  readonly name: string;
  steal(): void;
}

/** The Web Locks of a browser, as far as tabs use them. */
class Locks {
  #held: Held[] = [];
  #queue: { name: string; grant(): void }[] = [];

  async request(
    name: string,
    { steal = false, signal }: { steal?: boolean; signal?: AbortSignal },
    act: () => Promise<unknown>,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    const holder = this.#held.find((each) => each.name === name);
    if (steal) holder?.steal();
    else if (holder !== undefined) {
      await new Promise<void>((grant, reject) => {
        const entry = { name, grant };
        this.#queue.push(entry);
        signal?.addEventListener("abort", () => {
          this.#queue = this.#queue.filter((other) => other !== entry);
          reject(signal.reason);
        });
      });
    }
    return new Promise((resolve, reject) => {
      const held = {
        name,
        steal: () => {
          this.#held = this.#held.filter((other) => other !== held);
          reject(new DOMException("stolen", "AbortError"));
        },
      };
      this.#held.push(held);
      const release = (): void => {
        if (!this.#held.includes(held)) return;
        this.#held = this.#held.filter((other) => other !== held);
        const next = this.#queue.findIndex((entry) => entry.name === name);
        if (next >= 0) this.#queue.splice(next, 1)[0]?.grant();
      };
      act().then(resolve, reject).finally(release);
    });
  }
}

class RecordingMember implements Member {
  #returns = 0;
  readonly received: TabMessage[] = [];
  readonly said: boolean[] = [];
  rows = 0;

  receive(message: TabMessage): void {
    this.received.push(message);
  }

  lead(isLeader: boolean): void {
    this.said.push(isLeader);
  }

  returned(): void {
    this.#returns++;
  }

  /** How often it came back from the back-forward cache. */
  returns(): number {
    return this.#returns;
  }

  isWaiting(): boolean {
    return this.rows > 0;
  }
}

let clock: VirtualClock;
let undo: () => void;
const open: (() => void)[] = [];

beforeEach(() => {
  clock = createVirtualClock();
  undo = clock.install();
  vi.stubGlobal("navigator", { locks: new Locks() });
});

afterEach(async () => {
  for (const close of open.splice(0)) close();
  await clock.settle();
  undo();
});

function tab(name = "longhaul p"): RecordingMember & { tabs: Tabs } {
  const member = new RecordingMember();
  const tabs = new Tabs(name, member);
  open.push(() => tabs.close());
  return Object.assign(member, { tabs });
}

/** A tab of another version: it posts anything, and gets the raw messages. */
function stranger(): { channel: BroadcastChannel; posted: unknown[] } {
  const channel = new BroadcastChannel("longhaul:outbox:longhaul p");
  const posted: unknown[] = [];
  channel.onmessage = ({ data }: MessageEvent) => posted.push(data);
  open.push(() => channel.close());
  return { channel, posted };
}

/** A visible or hidden page that may enter and leave the back-forward cache. */
function page(visibilityState: DocumentVisibilityState): EventTarget {
  const events = new EventTarget();
  vi.stubGlobal("document", { visibilityState });
  vi.stubGlobal("addEventListener", events.addEventListener.bind(events));
  vi.stubGlobal("removeEventListener", events.removeEventListener.bind(events));
  return events;
}

const added = (last: number, rows = 1, bytes = 10): TabMessage => ["added", "p", last, rows, bytes];
const acked = (row: number, producer = "p", epoch = "e"): TabMessage => [
  "acked",
  producer,
  epoch,
  [row, 1, 10, row, 0],
];

test("messages of one turn go together, in order, to the others of the same outbox", async () => {
  const [one, two, other] = [tab(), tab(), tab("longhaul another")];
  const { posted } = stranger();
  one.tabs.send(["outcomeStored", "p", 1]);
  one.tabs.send(["cancelled", "p", 2]);
  await clock.settle();
  one.tabs.send(["outcomeStored", "p", 3]);
  await clock.settle();
  expect(posted).toEqual([
    [
      ["outcomeStored", "p", 1],
      ["cancelled", "p", 2],
    ],
    [["outcomeStored", "p", 3]],
  ]);
  expect(two.received).toEqual(posted.flat());
  expect([one.received, other.received]).toEqual([[], []]);
});

test("added rows, and acks of one log, become one message; others between them stay between", async () => {
  const one = tab();
  const { posted } = stranger();
  for (const message of [added(4, 2, 20), added(3, 1, 5), ["outcomeStored", "p", 1], added(5)] as const) {
    one.tabs.send(message);
  }
  one.tabs.send(["added", "q", 9, 1, 1]);
  for (const message of [acked(1), acked(2), acked(3, "q"), acked(4, "q", "f")]) one.tabs.send(message);
  await clock.settle();
  expect(posted).toEqual([
    [
      ["added", "p", 4, 3, 25],
      ["outcomeStored", "p", 1],
      ["added", "p", 5, 1, 10],
      ["added", "q", 9, 1, 1],
      ["acked", "p", "e", [1, 1, 10, 1, 0, 2, 1, 10, 2, 0]],
      ["acked", "q", "e", [3, 1, 10, 3, 0]],
      ["acked", "q", "f", [4, 1, 10, 4, 0]],
    ],
  ]);
});

test("a visible page reports its first row at once, and the next ones together after 20 ms", async () => {
  page("visible");
  const one = tab();
  const { posted } = stranger();
  await clock.advance(1_000);
  one.tabs.send(added(1));
  await clock.settle();
  expect(posted).toHaveLength(1);
  for (const n of [2, 3]) {
    one.tabs.send(added(n));
    await clock.advance(9);
  }
  expect(posted).toHaveLength(1);
  await clock.advance(2);
  expect(posted.slice(1)).toEqual([[added(3, 2, 20)]]);
  // All other messages go at once, after the waiting ones.
  one.tabs.send(added(4));
  one.tabs.send(["outcomeStored", "p", 1]);
  await clock.settle();
  expect(posted.slice(2)).toEqual([[added(4), ["outcomeStored", "p", 1]]]);
  await clock.advance(1_000);
  expect(posted).toHaveLength(3);
  one.tabs.send(added(5));
  await clock.settle();
  one.tabs.send(added(6));
  await clock.advance(20);
  expect(posted.slice(3)).toEqual([[added(5)], [added(6)]]);
});

test("a hidden page, whose timers may stop, reports at once", async () => {
  page("hidden");
  const one = tab();
  const { posted } = stranger();
  await clock.advance(1_000);
  for (const n of [1, 2]) {
    one.tabs.send(added(n));
    await clock.settle();
  }
  expect(posted).toHaveLength(2);
});

test("a page in the back-forward cache has no channel, and sends its messages before", async () => {
  const events = page("visible");
  const one = tab();
  const two = tab();
  const { channel, posted } = stranger();
  await clock.advance(1_000);
  one.tabs.send(added(1));
  await clock.settle();
  one.tabs.send(added(2));
  events.dispatchEvent(new Event("pagehide"));
  await clock.settle();
  expect(posted).toEqual([[added(1)], [added(2)]]);
  channel.postMessage([["outcomeStored", "p", 1]]);
  await clock.settle();
  expect(one.received).toEqual([]);
  events.dispatchEvent(new Event("pageshow"));
  channel.postMessage([["outcomeStored", "p", 2]]);
  await clock.settle();
  expect(one.received).toEqual([["outcomeStored", "p", 2]]);
  expect([one.returns(), two.returns()]).toEqual([1, 1]);
  events.dispatchEvent(new Event("pageshow"));
  expect(one.returns()).toBe(1);
  expect(two.received.at(-1)).toEqual(["outcomeStored", "p", 2]);
});

test("a tab that closes sends its last messages, and then receives none", async () => {
  const events = page("visible");
  const one = tab();
  const { channel, posted } = stranger();
  one.tabs.close();
  one.tabs.send(["outcomeStored", "p", 1]);
  await clock.settle();
  expect(posted).toEqual([[["outcomeStored", "p", 1]]]);
  events.dispatchEvent(new Event("pageshow"));
  channel.postMessage([["outcomeStored", "p", 2]]);
  await clock.settle();
  expect(one.received).toEqual([]);
});

test("without channels a tab sends nothing and throws nothing", async () => {
  vi.stubGlobal("BroadcastChannel", undefined);
  const one = tab();
  one.tabs.send(["outcomeStored", "p", 1]);
  await clock.settle();
  one.tabs.close();
});

const garbage: unknown[] = [
  undefined,
  null,
  5,
  "outcomeStored",
  {},
  { length: 1, 0: ["outcomeStored", "p", 1] },
  [null],
  [5],
  ["outcomeStored"],
  [[]],
  [["outcomeStored"]],
  [["outcomeStored", "p"]],
  [["outcomeStored", 5, 5]],
  [["outcomeStored", "p", "5"]],
  [["outcomeStored", "p", null]],
  [["added", "p", 1, 1]],
  [["added", "p", {}, 1, 1]],
  [["acked", "p", "e"]],
  [["acked", "p", "e", 5]],
  [["acked", "p", "e", ["1", 1, 1, 1, 0]]],
  [["acked", "p", "e", [1, 1, 1, 1]]],
  [["acked", "p", undefined, [1, 1, 1, 1, 0]]],
  [["dead", "p", 1, 1, 1, "code"]],
  [["dead", "p", 1, 1, 1, 4_400, "why"]],
  [["cancelled", "p", undefined]],
  [["renamed", "p"]],
  [["renamed", "p", 5]],
  [["deadLetterTaken", {}, 5]],
  [["wiped", 1]],
  [["wiped", undefined, 1]],
  [["wiped", undefined, 1, "now"]],
  [["tokenWanted"]],
  [["tokenWanted", "c", 5]],
  [["token", "c", {}]],
  [["toString", "p", 1]],
  [["of a later version", "p", 1]],
];

test.for(garbage.map((data) => [JSON.stringify(data), data] as const))(
  "%s of another tab is not received, and harms nothing",
  async ([, data]) => {
    const one = tab();
    const { channel } = stranger();
    channel.postMessage(data);
    channel.postMessage([["outcomeStored", "p", 1]]);
    await clock.settle();
    expect(one.received).toEqual([["outcomeStored", "p", 1]]);
  },
);

test("valid messages beside garbage are received, and elements of later versions are ignored", async () => {
  const one = tab();
  const { channel } = stranger();
  const good: unknown[] = [
    ["added", "p", 1, 1, 1],
    ["acked", "p", "e", [1, 1, 1, 1, 0, 2, 1, 1, 2, 1]],
    ["dead", "p", 1, 1, 1, "code", "why"],
    ["outcomeStored", "p", 1, "and more"],
    ["cancelled", "p", 1],
    ["renamed", "p", "q"],
    ["deadLetterTaken", "p", 1],
    ["wiped"],
    ["wiped", true],
    ["wiped", undefined, 1, 2, "and more"],
    ["tokenWanted", "c", undefined],
    ["tokenWanted", "c", "refused"],
  ];
  channel.postMessage([null, ...good, ["outcomeStored"]]);
  await clock.settle();
  expect(one.received).toEqual(good);
});

test("one tab leads; when it resigns or closes, the next one leads", async () => {
  const [one, two, three] = [tab(), tab(), tab()];
  for (const { tabs } of [one, two, three]) {
    tabs.seekLeadership();
    await clock.settle();
  }
  expect([one.said, two.said, three.said]).toEqual([[true], [], []]);
  one.tabs.resignLeadership();
  await clock.settle();
  expect([one.said, two.said, three.said]).toEqual([[true], [true], []]);
  two.tabs.close();
  await clock.settle();
  expect([one.said, two.said, three.said]).toEqual([[true], [true], [true]]);
});

test("a candidate that resigns in time waits for nothing", async () => {
  const [one, two, three] = [tab(), tab(), tab()];
  for (const { tabs } of [one, two, three]) {
    tabs.seekLeadership();
    await clock.settle();
  }
  two.tabs.resignLeadership();
  one.tabs.resignLeadership();
  await clock.settle();
  expect([two.said, three.said]).toEqual([[], [true]]);
});

test("outboxes with other names have leaders of their own", async () => {
  const [one, two] = [tab(), tab("longhaul another")];
  one.tabs.seekLeadership();
  two.tabs.seekLeadership();
  await clock.settle();
  expect([one.said, two.said]).toEqual([[true], [true]]);
});

test.for([
  ["missing", {}],
  ["forbidden", { locks: { request: () => Promise.reject(new DOMException("no", "SecurityError")) } }],
])("without usable locks (%s) every tab sends", async ([, navigator]) => {
  vi.stubGlobal("navigator", navigator);
  const [one, two] = [tab(), tab()];
  one.tabs.seekLeadership();
  two.tabs.seekLeadership();
  await clock.settle();
  expect([one.said, two.said]).toEqual([[true], [true]]);
});

/** Two tabs, of which the first leads, and a stranger. */
async function senderAndNext() {
  const [one, two] = [tab(), tab()];
  const strange = stranger();
  for (const { tabs } of [one, two]) {
    tabs.seekLeadership();
    await clock.settle();
  }
  return { one, two, ...strange };
}

test("a leader that is silent for a minute while rows wait is replaced, and becomes a candidate", async () => {
  const { one, two } = await senderAndNext();
  two.rows = 1;
  await clock.advance(59_000);
  expect(two.said).toEqual([]);
  await clock.advance(1_000);
  expect([one.said, two.said]).toEqual([[true, false], [true]]);
  two.tabs.close();
  await clock.settle();
  expect(one.said).toEqual([true, false, true]);
});

test("a leader that sends messages is not silent, and without rows it is not replaced", async () => {
  const { two, channel } = await senderAndNext();
  await clock.advance(120_000);
  expect(two.said).toEqual([]);
  two.rows = 1;
  for (let n = 0; n < 4; n++) {
    channel.postMessage([["outcomeStored", "p", n]]);
    await clock.advance(30_000);
  }
  expect(two.said).toEqual([]);
});

test("silence begins with the last message, and a leader does not replace itself", async () => {
  const { one, two, channel } = await senderAndNext();
  one.rows = 1;
  two.rows = 1;
  await clock.advance(20_000);
  channel.postMessage([["outcomeStored", "p", 1]]);
  await clock.advance(59_000);
  expect([one.said, two.said]).toEqual([[true], []]);
  await clock.advance(16_000);
  expect([one.said, two.said]).toEqual([[true, false], [true]]);
  two.tabs.close();
  await clock.settle();
  await clock.advance(120_000);
  expect(one.said).toEqual([true, false, true]);
});

test("a tab that has resigned takes nothing", async () => {
  const { one, two } = await senderAndNext();
  two.rows = 1;
  two.tabs.resignLeadership();
  await clock.advance(120_000);
  expect([one.said, two.said]).toEqual([[true], []]);
  expect(clock.timers).toBe(1);
});

test("the first tab with a token shares it with the call that asked", async () => {
  const worker = tab();
  const { channel, posted } = stranger();
  const calls = [worker.tabs.requestToken(undefined), worker.tabs.requestToken("refused")];
  await clock.settle();
  const asked = posted.flat() as TabMessage[];
  expect(asked.map(([kind, , refused]) => [kind, refused])).toEqual([
    ["tokenWanted", undefined],
    ["tokenWanted", "refused"],
  ]);
  const [first = "", second = ""] = asked.map(([, call]) => String(call));
  channel.postMessage([
    ["token", second, 5],
    ["token", second],
  ]);
  channel.postMessage([["token", second, "b"]]);
  channel.postMessage([["token", first, "a"]]);
  channel.postMessage([["token", first, "late"]]);
  channel.postMessage([["token", "of nobody", "c"]]);
  await clock.settle();
  expect(await Promise.all(calls)).toEqual(["a", "b"]);
  expect(worker.received).toEqual([]);
  expect(clock.timers).toBe(0);
});

test("if no tab shares a token within 5 s, there is none", async () => {
  const worker = tab();
  const { channel, posted } = stranger();
  let lent: unknown = "waiting";
  const call = worker.tabs.requestToken(undefined).then((token) => {
    lent = token;
  });
  await clock.advance(4_999);
  expect(lent).toBe("waiting");
  await clock.advance(1);
  await call;
  expect(lent).toBeUndefined();
  const [asked] = posted.flat() as TabMessage[];
  channel.postMessage([["token", asked?.[1], "late"]]);
  await clock.settle();
  expect(lent).toBeUndefined();
});
