import { expect, test, vi } from "vitest";
import { compile } from "./instance.js";

/** The smallest module: magic and version. */
const bytes = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]);

test("bytes, a module and a response are compiled", async () => {
  const module = await compile(bytes);
  expect(module).toBeInstanceOf(WebAssembly.Module);
  expect(await compile(module)).toBe(module);
  expect(await compile(new Response(bytes))).toBeInstanceOf(WebAssembly.Module);
});

test("an address is downloaded", async () => {
  const fetched = vi.fn(
    async (_address: string | URL) =>
      new Response(bytes, { headers: { "content-type": "application/wasm" } }),
  );
  vi.stubGlobal("fetch", fetched);
  expect(await compile("/longhaul_bg.wasm")).toBeInstanceOf(WebAssembly.Module);
  expect(fetched.mock.calls[0]?.[0]).toBe("/longhaul_bg.wasm");
});

test("an answer that is not 2xx is no wasm", async () => {
  vi.stubGlobal("fetch", async () => new Response(bytes, { status: 503 }));
  await expect(compile("/longhaul_bg.wasm")).rejects.toThrow("503");
});

test("what is no wasm does not compile", async () => {
  await expect(compile(new TextEncoder().encode("<!doctype html>"))).rejects.toThrow();
});
