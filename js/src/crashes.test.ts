import { expect, test } from "vitest";
import { Crashes } from "./crashes.js";

test("the client restarts at once after the first crash, and within a second after the next ones", () => {
  const crashes = new Crashes();
  expect(crashes.delayMs(0)).toBe(0);
  for (let i = 1; i < 10; i++) {
    const delayMs = crashes.delayMs(i);
    expect(delayMs).toBeGreaterThanOrEqual(0);
    expect(delayMs).toBeLessThan(1_000);
  }
  expect(crashes.count).toBe(10);
});

test("the eleventh crash within a minute ends the client", () => {
  const crashes = new Crashes();
  for (let i = 0; i < 10; i++) expect(crashes.delayMs(i * 1_000)).toBeDefined();
  expect(crashes.delayMs(59_000)).toBeUndefined();
});

test("crashes of more than a minute ago do not count", () => {
  const crashes = new Crashes();
  for (let i = 0; i < 10; i++) crashes.delayMs(i);
  expect(crashes.delayMs(60_010)).toBe(0);
  expect(crashes.count).toBe(11);
});
