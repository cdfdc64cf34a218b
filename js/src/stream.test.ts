import { expect, test, vi } from "vitest";
import type { Message } from "./api.js";
import type { Messages } from "./frame.js";
import { type Listener, Stream } from "./stream.js";

function one(seq: number, data: unknown = seq): Messages {
  return {
    no: 1,
    first: seq,
    count: 1,
    chain: seq * 10,
    at: 100,
    isBatch: false,
    data,
    id: "p:1",
    chars: 1,
    kind: 0,
  };
}

function batch(first: number, values: unknown[]): Messages {
  const data = values.flatMap((value, i) => [value, i, i === 0 ? "id" : 0]);
  return { ...one(first, data), count: values.length, chain: 99, isBatch: true, id: undefined };
}

function listener(message: Listener["message"], rest: Partial<Listener> = {}): Listener {
  return { message, gap: undefined, isPassive: false, ...rest };
}

function stream(): { stream: Stream; threw: ReturnType<typeof vi.fn> } {
  const threw = vi.fn();
  const made = new Stream(1, "a", threw);
  made.epoch = "e";
  return { stream: made, threw };
}

test("a message has all fields of the record", () => {
  const { stream: made } = stream();
  const heard: Message<unknown>[] = [];
  made.add(listener((message) => heard.push(message)));
  made.deliver(one(3, { x: 1 }), 0);
  expect(heard).toEqual([{ topic: "a", seq: 3, epoch: "e", data: { x: 1 }, publishedAtMs: 100, id: "p:1" }]);
  expect(made.position).toBe("e/3/30");
});

test("h6 each message of a batch has its time and id, and skipped ones are not delivered", () => {
  const { stream: made } = stream();
  const heard: Message<unknown>[] = [];
  made.add(listener((message) => heard.push(message)));
  made.deliver(batch(5, ["a", "b", "c"]), 1);
  expect(heard.map(({ seq, data, publishedAtMs }) => [seq, data, publishedAtMs])).toEqual([
    [6, "b", 101],
    [7, "c", 102],
  ]);
  expect(heard.some((message) => "id" in message)).toBe(false);
  expect(made.position).toBe("e/7/99");
});

test("a listener that throws is reported, and the others get the message", () => {
  const { stream: made, threw } = stream();
  const heard = vi.fn();
  const cause = new Error("mine");
  made.add(
    listener(() => {
      throw cause;
    }),
  );
  made.add(listener(heard));
  made.deliver(one(1), 0);
  expect(threw).toHaveBeenCalledWith(cause);
  expect(heard).toHaveBeenCalledOnce();
});

test("a listener that an earlier one removes gets nothing more, and one that it adds gets the next message", () => {
  const { stream: made } = stream();
  const removed = listener(vi.fn());
  const added = listener(vi.fn());
  made.add(
    listener(() => {
      made.remove(removed);
      if (made.position === "e/0/0") made.add(added);
    }),
  );
  made.add(removed);
  made.deliver(one(1), 0);
  expect(removed.message).not.toHaveBeenCalled();
  expect(added.message).not.toHaveBeenCalled();
});

/** A listener, and the seqs that it got. */
function numbered(rest: Partial<Listener> = {}): { seqs: number[]; is: Listener } {
  const seqs: number[] = [];
  return { seqs, is: listener(({ seq }) => seqs.push(seq), rest) };
}

test("f12 a listener that takes over in the same task gets all messages since then", async () => {
  const { stream: made } = stream();
  const [before, after] = [numbered(), numbered()];
  made.add(before.is);
  made.deliver(one(1), 0);
  made.remove(before.is);
  made.deliver(batch(2, ["b", "c"]), 0);
  made.add(after.is);
  expect(after.seqs, "not within the call that joins").toEqual([]);
  made.deliver(one(4), 0);
  expect(made.cursor, "some of it still waits").toBeUndefined();
  await undefined;
  made.deliver(one(5), 0);
  expect([before.seqs, after.seqs]).toEqual([[1], [2, 3, 4, 5]]);
  made.settle();
  expect(made.cursor).toBe("e/5/50");
});

test("f12 a listener that stops and starts within a batch gets every message once", async () => {
  const { stream: made } = stream();
  const seqs: number[] = [];
  const again = (): Listener => {
    const it = listener(({ seq }) => {
      seqs.push(seq);
      made.remove(it);
      made.add(again());
    });
    return it;
  };
  made.add(again());
  made.deliver(batch(1, ["a", "b", "c"]), 0);
  await undefined;
  expect(seqs).toEqual([1, 2, 3]);
});

test("f12 the current message of a removed listener goes to the one that takes over", async () => {
  const { stream: made } = stream();
  const [before, after] = [numbered(), numbered()];
  made.add(
    listener(({ seq }) => {
      if (seq !== 2) return;
      made.remove(before.is);
      made.add(after.is);
    }),
  );
  made.add(before.is);
  for (let seq = 1; seq <= 3; seq++) made.deliver(one(seq), 0);
  await undefined;
  expect([before.seqs, after.seqs]).toEqual([[1], [2, 3]]);
});

test("f12 unconsumed messages go to the iteration that takes over, beside other listeners", async () => {
  const { stream: made } = stream();
  const queue: Message<unknown>[] = [];
  const lagging = listener((message) => queue.push(message), { unconsumed: () => queue });
  const [other, after] = [numbered(), numbered({ unconsumed: () => [] })];
  made.add(lagging);
  made.add(other.is);
  made.deliver(batch(1, ["a", "b", "c"]), 0);
  queue.shift();
  made.remove(lagging);
  made.add(after.is);
  await undefined;
  made.deliver(one(4), 0);
  expect([other.seqs, after.seqs]).toEqual([
    [1, 2, 3, 4],
    [2, 3, 4],
  ]);
});

test("f12 a listener that stops before it has caught up leaves the rest to the next one", async () => {
  const { stream: made } = stream();
  const [first, second, third] = [numbered(), numbered(), numbered()];
  made.add(first.is);
  made.remove(first.is);
  made.deliver(one(1), 0);
  made.add(second.is);
  made.remove(second.is);
  made.add(third.is);
  await undefined;
  expect([first.seqs, second.seqs, third.seqs]).toEqual([[], [], [1]]);
});

test("f12 a listener that starts after the task begins with the next message", async () => {
  const { stream: made } = stream();
  const [before, after] = [numbered(), numbered()];
  made.add(before.is);
  made.remove(before.is);
  made.deliver(one(1), 0);
  made.settle();
  made.add(after.is);
  await undefined;
  made.deliver(one(2), 0);
  expect(after.seqs).toEqual([2]);
});

test("f12 at most 1,000 messages wait if timers are late", async () => {
  const { stream: made } = stream();
  const [before, after] = [numbered(), numbered()];
  made.add(before.is);
  made.remove(before.is);
  for (let seq = 1; seq <= 1_001; seq++) made.deliver(one(seq), 0);
  made.add(after.is);
  await undefined;
  made.deliver(one(1_002), 0);
  expect(after.seqs).toEqual([1_002]);
});

test("after its end it delivers nothing, and its position stays", () => {
  const { stream: made } = stream();
  const heard = vi.fn();
  const end = vi.fn();
  made.add(listener(heard, { end }));
  made.deliver(one(1), 0);
  made.end();
  made.deliver(one(2), 0);
  expect(heard).toHaveBeenCalledOnce();
  expect(end).toHaveBeenCalledOnce();
  expect(made.position).toBe("e/1/10");
});

test("it is passive while all its listeners are passive", () => {
  const { stream: made } = stream();
  made.add(listener(vi.fn(), { isPassive: true }));
  expect(made.isPassive).toBe(true);
  made.add(listener(vi.fn()));
  expect(made.isPassive).toBe(false);
});

test("a10 it has no cursor while its epoch is unknown or a consumer lags", () => {
  const made = new Stream(1, "a", () => {});
  made.begin = "start";
  expect(made.cursor).toBeUndefined();
  expect(made.position).toBe("start");
  made.epoch = "e";
  const rest: Message<unknown>[] = [{} as Message<unknown>];
  made.add(listener(vi.fn(), { unconsumed: () => rest }));
  made.follows(4, 5);
  expect(made.cursor).toBeUndefined();
  rest.length = 0;
  expect(made.cursor).toBe("e/4/5");
});

test("a gap goes to the listeners with onGap", () => {
  const { stream: made } = stream();
  const gap = vi.fn();
  made.add(listener(vi.fn()));
  made.add(listener(vi.fn(), { gap }));
  const what = { epoch: "e", fromSeq: 1, toSeq: 3, reason: "expired" } as const;
  made.reportGap(what);
  expect(gap).toHaveBeenCalledWith(what);
});
