import { expect, test } from "vitest";
import { applyCommands } from "./apply-commands.js";

test("the whole value is set at the empty pointer", () => {
  expect(applyCommands(undefined, [["", { a: 1 }, 1]])).toEqual({ a: 1 });
  expect(applyCommands({ a: 1 }, [["", null]])).toBeNull();
});

test("parts without a command are shared with the value before", () => {
  const before = { left: { x: 1 }, right: { y: [1, 2] } };
  const after = applyCommands(before, [["/left/x", 2, 1]]) as typeof before;
  expect(after).toEqual({ left: { x: 2 }, right: { y: [1, 2] } });
  expect(after.right).toBe(before.right);
  expect(before.left.x).toBe(1);
});

test("a member is removed, and arrays are spliced, without changing what was", () => {
  const before = { list: [1, 2, 3], gone: true };
  const after = applyCommands(before, [["/gone"], ["/list", 1, 1, ["a", "b"]]]);
  expect(after).toEqual({ list: [1, "a", "b", 3] });
  expect(before).toEqual({ list: [1, 2, 3], gone: true });
});

test("several commands copy an object once and keep each other's changes", () => {
  const before = { deep: { a: 1, b: 2, list: [0] } };
  const after = applyCommands(before, [
    ["/deep/a", 10, 3],
    ["/deep/b", 20, 3],
    ["/deep/list", 1, 0, [1]],
    ["/deep/list", 2, 0, [2]],
  ]);
  expect(after).toEqual({ deep: { a: 10, b: 20, list: [0, 1, 2] } });
  expect(before).toEqual({ deep: { a: 1, b: 2, list: [0] } });
});

test("~0 and ~1 in a pointer are ~ and / in a key", () => {
  expect(applyCommands({ "a/b": { "~": 1 } }, [["/a~1b/~0", 2, 1]])).toEqual({ "a/b": { "~": 2 } });
});

test.each([65, 1_021])("an object of %i keys is copied whole, and its prototype stays", (keys) => {
  const large = Object.fromEntries(Array.from({ length: keys }, (_, i) => [`k${i}`, i]));
  const first = applyCommands(undefined, [["", { large }, 1]]) as { large: Record<string, number> };
  const second = applyCommands(first, [["/large/k7", "seven", keys]]) as typeof first;
  const third = applyCommands(second, [["/large/k8"]]) as typeof first;
  expect(second.large["k7"]).toBe("seven");
  expect(first.large["k7"]).toBe(7);
  expect(Object.keys(third.large)).toHaveLength(keys - 1);
  expect(Object.getPrototypeOf(third.large)).toBe(Object.prototype);
});
