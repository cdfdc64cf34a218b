import { expect, test } from "vitest";
import type { Message, SubscribeOptions } from "./api.js";
import { type Iteration, jsonOf, type TopicClient, TopicHandle } from "./topic.js";

type Give = (message: Message<unknown>) => void;

/** A topic, and the calls of its client. */
function topic(): {
  topic: TopicHandle<unknown>;
  give: (...seqs: number[]) => void;
  iteration: () => Iteration;
  rests: number[][];
  published: string[];
} {
  let give: Give = () => {};
  let iteration: Iteration | undefined;
  const rests: number[][] = [];
  const published: string[] = [];
  const client: TopicClient = {
    subscribe: (_topic, listener, _options: SubscribeOptions, its) => {
      give = listener;
      iteration = its;
      // A stream does the same when a listener stops.
      return () => rests.push((its?.unconsumed() ?? []).map(({ seq }) => seq));
    },
    publish: async (_topic, text) => {
      published.push(text);
      return { id: "p:1", durable: false, acked: Promise.resolve({ epoch: "e", seq: 1, duplicate: false }) };
    },
    report: () => {},
  };
  return {
    topic: new TopicHandle("t", client),
    give: (...seqs) => {
      for (const seq of seqs) give({ topic: "t", seq, epoch: "e", data: seq, publishedAtMs: 0 });
    },
    iteration: () => iteration as Iteration,
    rests,
    published,
  };
}

test("f15 calls of next that wait side by side get the next messages in order, and then the end", async () => {
  const { topic: made, give, iteration } = topic();
  const iterator = made.messages()[Symbol.asyncIterator]();
  const calls = [iterator.next(), iterator.next(), iterator.next(), iterator.next()];
  give(1, 2);
  iteration().end();
  const results = await Promise.all(calls);
  expect(results.map(({ done, value }) => (done ? "end" : value.seq))).toEqual([1, 2, "end", "end"]);
});

test("f12 an iteration that is left has its unconsumed messages", async () => {
  const { topic: made, give, rests } = topic();
  const iterator = made.messages()[Symbol.asyncIterator]();
  give(1, 2, 3);
  await iterator.next();
  await iterator.return?.();
  expect(rests).toEqual([[2, 3]]);
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test("f12 an aborted iteration keeps its messages for its own consumer", async () => {
  const { topic: made, give, rests } = topic();
  const abort = new AbortController();
  const iterator = made.messages({ signal: abort.signal })[Symbol.asyncIterator]();
  give(1, 2);
  abort.abort();
  expect(rests).toEqual([[]]);
  expect((await iterator.next()).value.seq).toBe(1);
  expect((await iterator.next()).value.seq).toBe(2);
  expect((await iterator.next()).done).toBe(true);
});

test("a consumer that lags too far gets the error after its messages", async () => {
  const { topic: made, give, rests } = topic();
  const iterator = made.messages()[Symbol.asyncIterator]();
  give(...Array.from({ length: 10_001 }, (_, i) => i + 1));
  expect(rests).toEqual([[]]);
  for (let seq = 1; seq <= 10_000; seq++) expect((await iterator.next()).value.seq).toBe(seq);
  await expect(iterator.next()).rejects.toMatchObject({ code: "consumer_too_slow" });
});

test("f15 what has no JSON form is data_not_json, with its cause", async () => {
  const { topic: made, published } = topic();
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (const data of [1n, cycle, undefined, () => {}]) {
    await expect(made.publish(data)).rejects.toMatchObject({ code: "data_not_json" });
  }
  expect(() => jsonOf(1n, "it")).toThrow(expect.objectContaining({ cause: expect.any(TypeError) }));
  expect(published).toEqual([]);
  expect(jsonOf({ a: 1 }, "it")).toBe('{"a":1}');
});

test("a listener must be a function, and an aborted call is not made", async () => {
  const { topic: made, published } = topic();
  expect(() => made.subscribe(undefined as never)).toThrow(
    expect.objectContaining({ code: "option_invalid" }),
  );
  const abort = new AbortController();
  abort.abort();
  await expect(made.publish(1, { signal: abort.signal })).rejects.toThrow();
  expect(published).toEqual([]);
});
