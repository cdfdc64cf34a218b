import { expect, test } from "vitest";
import { emptyMetrics } from "./metrics.js";

test("a client that has not begun has counted nothing", () => {
  for (const value of Object.values(emptyMetrics())) {
    expect(typeof value === "number" ? value : value.count).toBe(0);
  }
});

test("two clients share no counters", () => {
  expect(emptyMetrics()).not.toBe(emptyMetrics());
});
