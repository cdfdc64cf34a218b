import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Lingering } from "./lingering.js";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("f12 each subscription ends once, after the task", () => {
  const ended: string[] = [];
  const left = new Lingering<string>((what) => ended.push(what));
  left.add("a");
  left.add("b");
  left.add("a");
  expect(ended).toEqual([]);
  vi.runAllTimers();
  expect(ended).toEqual(["a", "b"]);
  left.add("a");
  vi.runAllTimers();
  expect(ended).toEqual(["a", "b", "a"]);
});

test("f12 a client that closes ends all of them, and its timer", () => {
  const ended: string[] = [];
  const left = new Lingering<string>((what) => ended.push(what));
  left.add("a");
  left.flush();
  expect(ended).toEqual(["a"]);
  expect(vi.getTimerCount()).toBe(0);
});
