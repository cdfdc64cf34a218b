import { expect, test } from "vitest";
import { Crashes } from "./crashes.js";

test("the first crash is gone on from at once, the next ones after a rest below a second", () => {
  const crashes = new Crashes();
  expect(crashes.next(0)).toBe(0);
  for (let i = 1; i < 10; i++) {
    const restMs = crashes.next(i);
    expect(restMs).toBeGreaterThanOrEqual(0);
    expect(restMs).toBeLessThan(1_000);
  }
  expect(crashes.count).toBe(10);
});

test("the eleventh crash within a minute ends the client", () => {
  const crashes = new Crashes();
  for (let i = 0; i < 10; i++) expect(crashes.next(i * 1_000)).toBeDefined();
  expect(crashes.next(59_000)).toBeUndefined();
});

test("crashes of more than a minute ago do not count", () => {
  const crashes = new Crashes();
  for (let i = 0; i < 10; i++) crashes.next(i);
  expect(crashes.next(60_010)).toBe(0);
  expect(crashes.count).toBe(11);
});
