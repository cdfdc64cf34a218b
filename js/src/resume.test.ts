import { beforeEach, expect, test, vi } from "vitest";
import { Resume } from "./resume.js";
import { Stream } from "./stream.js";

const base = "https://hub.test/";
const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  vi.useFakeTimers();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  });
});

/** A live stream at a seq. */
function stream(topic: string): Stream {
  return new Stream(1, topic, () => {});
}

function advance(at: Stream, seq: number): void {
  at.epoch = "00c0ffee00c0ffee";
  at.follows(seq, 7);
}

test("a10 a topic continues where it was before the reload, and another one begins live", () => {
  const first = new Resume(base, true);
  const chat = stream("chat");
  expect(first.begin(chat)).toBe("live");
  advance(chat, 41);
  first.close();
  const second = new Resume(base, true);
  expect(second.begin(stream("chat"))).toBe("00c0ffee00c0ffee/41/7");
  expect(second.begin(stream("news"))).toBe("live");
});

test("places are written once a second at most", () => {
  const resume = new Resume(base, true);
  const chat = stream("chat");
  resume.begin(chat);
  for (let seq = 1; seq < 50; seq++) advance(chat, seq);
  expect(kept.size).toBe(0);
  vi.advanceTimersByTime(1_000);
  expect([...kept.values()][0]).toContain("/49/");
});

test("a forgotten topic begins live", () => {
  const resume = new Resume(base, true);
  const chat = stream("chat");
  resume.begin(chat);
  advance(chat, 3);
  resume.forget("chat");
  resume.close();
  expect(new Resume(base, true).begin(stream("chat"))).toBe("live");
});

test("two clients with keys of their own do not share places", () => {
  const one = new Resume(base, { key: "one" });
  const chat = stream("chat");
  one.begin(chat);
  advance(chat, 3);
  one.close();
  expect(new Resume(base, { key: "two" }).begin(stream("chat"))).toBe("live");
});

test.each(["no JSON", '{"a":1}', '[["chat","not a cursor",9e15]]', '[["chat","00c0ffee00c0ffee/3/7",0]]'])(
  "%s in its storage is not believed",
  (text) => {
    kept.set(`longhaul:resume:${base}`, text);
    expect(new Resume(base, true).begin(stream("chat"))).toBe("live");
  },
);

test("a storage that throws is lived without", () => {
  vi.stubGlobal("sessionStorage", {
    getItem: () => {
      throw new DOMException("denied", "SecurityError");
    },
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });
  const resume = new Resume(base, true);
  expect(resume.begin(stream("chat"))).toBe("live");
  expect(() => resume.close()).not.toThrow();
});
