// The values of documents in their real wasm, as a page loads them.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { makeCores } from "./documents.js";

const wasm = await WebAssembly.compile(
  readFileSync(new URL("./wasm/longhaul_documents_bg.wasm", import.meta.url)),
);
const epoch = "00c0ffee00c0ffee";

test("a snapshot and the entries after it give a copy that shares what did not change", async () => {
  const core = (await makeCores(wasm))("p");
  core.snapshot(epoch, 3, 7, 0, '{"left":{"x":1},"right":{"y":2}}');
  const first = core.copy(null)?.value as { left: object; right: object };
  expect(first).toEqual({ left: { x: 1 }, right: { y: 2 } });
  core.take('merge 1 4 8 0 - {"left":{"x":5}}');
  const second = core.copy(first)?.value as typeof first;
  expect(second).toEqual({ left: { x: 5 }, right: { y: 2 } });
  expect(second.right).toBe(first.right);
  expect(core.copy(second)).toBeUndefined();
  expect(core.seq()).toBe(4);
});

test("records of more than 500 characters pass as bytes, with the same result", async () => {
  const core = (await makeCores(wasm))("p");
  core.snapshot(epoch, 1, 7, 0, "{}");
  const text = "ü".repeat(600);
  core.take(`merge 1 2 8 0 - {"text":"${text}"}`);
  expect(core.copy(null)?.value).toEqual({ text });
});

test("own changes are on top of the confirmed value", async () => {
  const core = (await makeCores(wasm))("p");
  core.snapshot(epoch, 1, 7, 0, '{"n":1}');
  core.publish(1, 2, '{"n":2}');
  expect(core.copy(null)?.value).toEqual({ n: 2 });
  expect(core.confirmed()).toBe('{"n":1}');
  expect(core.pending()).toBe(1);
  core.dead(1);
  expect(core.pending()).toBe(0);
});

test("a change that does not apply is refused before it is published", async () => {
  const core = (await makeCores(wasm))("p");
  core.snapshot(epoch, 1, 7, 0, '{"n":1}');
  expect(core.check(1, '[{"op":"remove","path":"/m"}]')).toContain("patch_failed");
  expect(core.check(1, '[{"op":"remove","path":"/n"}]')).toBeUndefined();
});
