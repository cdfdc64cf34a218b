import { expect, test } from "vitest";
import { randomName } from "./random.js";

test("a name is 128 bits in hex, and another one each time", () => {
  const names = new Set(Array.from({ length: 100 }, randomName));
  expect(names.size).toBe(100);
  for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}$/);
});
