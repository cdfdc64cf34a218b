import { IDBDatabase as IDBDatabases, IDBFactory, IDBOpenDBRequest as IDBOpenRequests } from "fake-indexeddb";
import { expect, test, vi } from "vitest";
import { compile, instantiate } from "./instance.js";

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

test("a file is read, because Node's fetch can't", async () => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  const file = new URL("./wasm/longhaul_bg.wasm", import.meta.url);
  expect(await compile(file)).toBeInstanceOf(WebAssembly.Module);
  expect(fetched).not.toHaveBeenCalled();
});

test("an answer that is not 2xx is no wasm", async () => {
  vi.stubGlobal("fetch", async () => new Response(bytes, { status: 503 }));
  await expect(compile("/longhaul_bg.wasm")).rejects.toThrow("503");
});

test("a page in place of the wasm is named", async () => {
  const page = { status: 200, headers: { "content-type": "text/html; charset=utf-8" } };
  vi.stubGlobal("fetch", async () => new Response("<!doctype html>", page));
  await expect(compile("/longhaul_bg.wasm")).rejects.toMatchObject({
    message: expect.stringContaining("a page (HTML)"),
    isAnother: true,
    isFinal: false,
  });
});

test("other bytes do not compile", async () => {
  await expect(compile(new TextEncoder().encode("<!doctype html>"))).rejects.toThrow();
});

const text = (words: string): number[] => [words.length, ...new TextEncoder().encode(words)];
const section = (id: number, content: readonly number[]): number[] => [id, content.length, ...content];

/** A module that calls its import `open`, which returns an object, when it starts. */
const opener = Uint8Array.from([
  ...bytes,
  // Types: nothing to an object, nothing to nothing.
  ...section(1, [2, 0x60, 0, 1, 0x6f, 0x60, 0, 0]),
  ...section(2, [1, ...text("m"), ...text("open"), 0, 0]),
  ...section(3, [1, 1]),
  ...section(7, [1, ...text("__wbindgen_start"), 0, 1]),
  // Calls function 0 and drops the result.
  ...section(10, [1, 5, 0, 0x10, 0, 0x1a, 0x0b]),
]);

test.for(["under way", "done"])(
  "a database whose opening is %s when its instance is over is closed",
  async (when) => {
    const factory = new IDBFactory();
    vi.stubGlobal("IDBDatabase", IDBDatabases);
    vi.stubGlobal("IDBOpenDBRequest", IDBOpenRequests);
    const opening = factory.open("a");
    // A database that closes while it opens fails.
    const opened = new Promise((resolve) => {
      for (const end of ["success", "error"]) opening.addEventListener(end, resolve);
    });
    const bindings = { open: () => opening, __wbg_set_wasm: () => {} };
    const end = await instantiate(await WebAssembly.compile(opener), bindings as never, () => {});
    if (when === "done") await opened;
    end();
    await opened;
    // An open database could not be deleted.
    const removed = new Promise((resolve, reject) => {
      const removing = factory.deleteDatabase("a");
      removing.onsuccess = resolve;
      removing.onblocked = () => reject(new Error("it is open"));
    });
    await removed;
  },
);
