import { expect, test, vi } from "vitest";
import type { Gap, Message, SubscribeOptions } from "./api.js";
import type { LonghaulError } from "./errors.js";
import { signed } from "./signatures.js";
import { type Iteration, type TopicClient, TopicHandle } from "./topic.js";

vi.mock("./index.js", async () => ({ LonghaulError: (await import("./errors.js")).LonghaulError }));

const key = Uint8Array.from({ length: 32 }, (_, i) => i);

/** A client that records its calls. */
class Recording implements TopicClient {
  readonly published: { topic: string; text: string }[] = [];
  readonly errors: LonghaulError[] = [];
  listen: ((message: Message<unknown>) => void) | undefined;
  options: SubscribeOptions = {};
  iteration: Iteration | undefined;
  stops = 0;

  subscribe(
    _topic: string,
    listen: (message: Message<unknown>) => void,
    options: SubscribeOptions,
    iteration?: Iteration,
  ): () => void {
    this.listen = listen;
    this.options = options;
    this.iteration = iteration;
    return () => {
      this.stops++;
    };
  }

  async publish(topic: string, text: string): Promise<never> {
    this.published.push({ topic, text });
    return undefined as never;
  }

  report(error: LonghaulError): void {
    this.errors.push(error);
  }

  say(seq: number, data: unknown): void {
    this.listen?.({ topic: "demo/board", seq, epoch: "e", data, publishedAtMs: 0 });
  }
}

function topic(client = new Recording(), name = "demo/board") {
  return { client, topic: signed(new TopicHandle<unknown>(name, client), key) };
}

test("v2: the key, topic and text of docs/protocol.md have the signature that stands there", async () => {
  const { client, topic: board } = topic();
  await board.publish({ n: 1 });
  expect(client.published).toEqual([
    {
      topic: "demo/board",
      text: '{"hmac":"mjOz/tf6ugh/IJizgwBqAwwGsu1QgZlu0ZW5f3HgdX4=","signed":"{\\"n\\":1}"}',
    },
  ]);
});

test("publications keep their order", async () => {
  const { client, topic: board } = topic();
  await Promise.all(Array.from({ length: 20 }, (_, n) => board.publish(n)));
  expect(client.published.map(({ text }) => JSON.parse(text).signed)).toEqual(
    Array.from({ length: 20 }, (_, n) => String(n)),
  );
});

test("v3: a tampered, unsigned or misplaced message is reported, and becomes a gap in order", async () => {
  const { client, topic: board } = topic();
  const other = topic(new Recording(), "demo/other");
  await board.publish("good");
  await other.topic.publish("foreign");
  const good = JSON.parse(client.published[0]?.text ?? "");
  const heard: unknown[] = [];
  board.subscribe(({ seq, data }) => heard.push([seq, data]), {
    onGap: ({ fromSeq, toSeq, reason }: Gap) => heard.push([fromSeq, toSeq, reason]),
  });
  client.say(1, good);
  client.say(2, { ...good, signed: '"evil"' });
  client.say(3, JSON.parse(other.client.published[0]?.text ?? ""));
  client.say(4, "plain");
  client.say(5, { hmac: "not base64 !", signed: "1" });
  client.say(6, good);
  await vi.waitFor(() => expect(heard).toHaveLength(6));
  expect(heard).toEqual([
    [1, "good"],
    ...[2, 3, 4, 5].map((seq) => [seq, seq, "signature_invalid"]),
    [6, "good"],
  ]);
  expect(client.errors.map(({ code }) => code)).toEqual(Array(4).fill("signature_invalid"));
});

test("a listener that throws is reported, and the next message is delivered", async () => {
  const { client, topic: board } = topic();
  await board.publish(1);
  const good = JSON.parse(client.published[0]?.text ?? "");
  const heard: number[] = [];
  board.subscribe(({ seq }) => {
    heard.push(seq);
    if (seq === 1) throw new Error("mine");
  });
  client.say(1, good);
  client.say(2, good);
  await vi.waitFor(() => expect(heard).toEqual([1, 2]));
  expect(client.errors.map(({ code }) => code)).toEqual(["listener_threw"]);
});

test("after it has stopped nothing is delivered, not even what waits for its verification", async () => {
  const { client, topic: board } = topic();
  await board.publish(1);
  const heard = vi.fn();
  const stop = board.subscribe(heard);
  client.say(1, JSON.parse(client.published[0]?.text ?? ""));
  stop();
  await board.publish(2);
  await board.publish(3);
  expect(heard).not.toHaveBeenCalled();
  expect(client.stops).toBe(1);
});

test("with more than 10,000 waiting messages it unsubscribes, and continues after them", async () => {
  const { client, topic: board } = topic();
  await board.publish(1);
  const good = JSON.parse(client.published[0]?.text ?? "");
  let count = 0;
  board.subscribe(() => count++);
  for (let seq = 1; seq <= 10_005; seq++) client.say(seq, good);
  expect(client.stops).toBe(1);
  await vi.waitFor(() => expect(client.options.from).toBe(10_001), { timeout: 20_000 });
  expect(count).toBe(10_000);
}, 30_000);

test("a key that is too short, and what is no topic, are refused", async () => {
  const short = signed(new TopicHandle<unknown>("a", new Recording()), key.slice(1));
  await expect(short.publish(1)).rejects.toMatchObject({ code: "option_invalid" });
  expect(() => signed({} as never, key)).toThrow(expect.objectContaining({ code: "option_invalid" }));
});

test("without crypto.subtle it throws `crypto_unavailable`", () => {
  vi.stubGlobal("crypto", {});
  expect(() => signed(new TopicHandle<unknown>("a", new Recording()), key)).toThrow(
    expect.objectContaining({ code: "crypto_unavailable" }),
  );
});
