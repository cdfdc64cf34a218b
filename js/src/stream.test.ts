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

test("a message has all that the record had", () => {
  const { stream: made } = stream();
  const heard: Message<unknown>[] = [];
  made.add(listener((message) => heard.push(message)));
  made.deliver(one(3, { x: 1 }), 0);
  expect(heard).toEqual([{ topic: "a", seq: 3, epoch: "e", data: { x: 1 }, publishedAtMs: 100, id: "p:1" }]);
  expect(made.place).toBe("e/3/30");
});

test("h6 of a batch each message has its time and id, and what is skipped is not told", () => {
  const { stream: made } = stream();
  const heard: Message<unknown>[] = [];
  made.add(listener((message) => heard.push(message)));
  made.deliver(batch(5, ["a", "b", "c"]), 1);
  expect(heard.map(({ seq, data, publishedAtMs }) => [seq, data, publishedAtMs])).toEqual([
    [6, "b", 101],
    [7, "c", 102],
  ]);
  expect(heard.some((message) => "id" in message)).toBe(false);
  expect(made.place).toBe("e/7/99");
});

test("a listener that throws is reported, and the others hear the message", () => {
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

test("one that an earlier listener has removed hears nothing more, one that it added hears the next", () => {
  const { stream: made } = stream();
  const late = vi.fn();
  const removed = listener(vi.fn());
  const added = listener(late);
  made.add(
    listener(() => {
      made.remove(removed);
      made.add(added);
    }),
  );
  made.add(removed);
  made.deliver(one(1), 0);
  expect(removed.message).not.toHaveBeenCalled();
  expect(late).not.toHaveBeenCalled();
});

test("after its end nothing is handed over, and the place stays", () => {
  const { stream: made } = stream();
  const heard = vi.fn();
  const end = vi.fn();
  made.add(listener(heard, { end }));
  made.deliver(one(1), 0);
  made.end();
  made.deliver(one(2), 0);
  expect(heard).toHaveBeenCalledOnce();
  expect(end).toHaveBeenCalledOnce();
  expect(made.place).toBe("e/1/10");
});

test("it is passive while all its listeners are", () => {
  const { stream: made } = stream();
  made.add(listener(vi.fn(), { isPassive: true }));
  expect(made.isPassive).toBe(true);
  made.add(listener(vi.fn()));
  expect(made.isPassive).toBe(false);
});

test("a10 it has no cursor while its epoch is unknown, or a consumer lags", () => {
  const made = new Stream(1, "a", () => {});
  made.begin = "start";
  expect(made.cursor).toBeUndefined();
  expect(made.place).toBe("start");
  made.epoch = "e";
  let isBehind = true;
  made.add(listener(vi.fn(), { isBehind: () => isBehind }));
  made.follows(4, 5);
  expect(made.cursor).toBeUndefined();
  isBehind = false;
  expect(made.cursor).toBe("e/4/5");
});

test("a gap is told to those who asked for it", () => {
  const { stream: made } = stream();
  const gap = vi.fn();
  made.add(listener(vi.fn()));
  made.add(listener(vi.fn(), { gap }));
  const what = { epoch: "e", fromSeq: 1, toSeq: 3, reason: "expired" };
  made.tellGap(what);
  expect(gap).toHaveBeenCalledWith(what);
});
