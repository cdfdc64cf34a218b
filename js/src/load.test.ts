import { beforeEach, expect, test, vi } from "vitest";

/** The smallest module: magic and version. */
const bytes = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]);
const asWasm = () => new Response(bytes, { headers: { "content-type": "application/wasm" } });

/** Imports the module again, as in another page. */
async function fresh(): Promise<typeof import("./load.js")> {
  vi.resetModules();
  return import("./load.js");
}

let fetched: ReturnType<typeof vi.fn>;

beforeEach(() => {
  fetched = vi.fn(async () => asWasm());
  vi.stubGlobal("fetch", fetched);
});

test("clients share a download, and the module", async () => {
  const { load } = await fresh();
  const [a, b] = await Promise.all([load("/a.wasm"), load("/a.wasm")]);
  expect(a).toBe(b);
  expect(await load("/a.wasm")).toBe(a);
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("f05_a_failed_download_is_made_again_past_the_cache", async () => {
  const { load } = await fresh();
  fetched.mockResolvedValueOnce(new Response("deploying", { status: 503 }));
  await expect(load("/a.wasm")).rejects.toMatchObject({
    code: "wasm_load_failed",
    isFinal: false,
    isAnother: false,
  });
  expect(await load("/a.wasm", 2)).toBeInstanceOf(WebAssembly.Module);
  expect(fetched.mock.calls.map(([, { cache }]) => cache)).toEqual(["default", "reload"]);
});

test("f05_another_file_in_its_place_is_reported_at_the_third_try", async () => {
  const { load, MisplacedFiles } = await fresh();
  const misplaced = new MisplacedFiles();
  const reported: boolean[] = [];
  for (const answer of [
    new Response("no", { status: 404 }),
    new Response("deploying", { status: 503 }),
    new Response("<h1>sign in</h1>", { headers: { "content-type": "text/html" } }),
    new Response("<h1>sign in</h1>"),
    new Response("no", { status: 404 }),
  ]) {
    fetched.mockResolvedValueOnce(answer);
    await load("/a.wasm").catch((error) => reported.push(misplaced.isReported(error)));
  }
  expect(reported).toEqual([false, false, false, true, false]);
});

test("f05_bytes_that_are_no_wasm_and_pages_without_wasm_are_the_end", async () => {
  const { load } = await fresh();
  await expect(load(new TextEncoder().encode("<h1>"))).rejects.toMatchObject({ isFinal: true });
  vi.stubGlobal("WebAssembly", undefined);
  await expect(load("/a.wasm")).rejects.toMatchObject({ isFinal: true });
});

test("f04_the_last_client_that_leaves_aborts_the_download", async () => {
  const { load } = await fresh();
  let heard: AbortSignal | undefined;
  fetched.mockImplementationOnce((_address: string, { signal }: RequestInit) => {
    heard = signal ?? undefined;
    return new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  });
  const clients = [new AbortController(), new AbortController()];
  const loads = clients.map(({ signal }) => load("/a.wasm", 1, signal).catch(() => "aborted"));
  await vi.waitFor(() => expect(heard).toBeDefined());
  clients[0]?.abort();
  expect(heard?.aborted).toBe(false);
  clients[1]?.abort();
  expect(heard?.aborted).toBe(true);
  expect(await load("/a.wasm")).toBeInstanceOf(WebAssembly.Module);
  expect(await Promise.all(loads)).toEqual(["aborted", "aborted"]);
});

test("the option may be a promise, and a rejected one is the end", async () => {
  const { load } = await fresh();
  await expect(load(Promise.reject(new Error("no chunk")))).rejects.toMatchObject({
    message: expect.stringContaining("no chunk"),
    isFinal: true,
  });
  expect(await load(Promise.resolve(bytes))).toBeInstanceOf(WebAssembly.Module);
  expect(fetched).not.toHaveBeenCalled();
});

test("a client that leaves before the option's promise is settled downloads nothing", async () => {
  const { load } = await fresh();
  const client = new AbortController();
  const loaded = load(Promise.resolve("/a.wasm"), 1, client.signal);
  client.abort();
  await expect(loaded).rejects.toThrow();
  expect(fetched).not.toHaveBeenCalled();
});

test("a module that has no instance is downloaded again", async () => {
  const { forget, load } = await fresh();
  const wrong = await load("/a.wasm");
  forget();
  expect(await load("/a.wasm", 2)).not.toBe(wrong);
  expect(fetched.mock.calls.map(([, { cache }]) => cache)).toEqual(["default", "reload"]);
});

test("late files that are gone ask for a reload, and a network that fails does not", async () => {
  const { documentsFailed } = await fresh();
  const faults = [{ isAnother: true }, { isAnother: false }, { isAnother: true, isFinal: true }];
  const codes = faults.map((fault) => documentsFailed({ message: "404", ...fault }).code);
  expect(codes).toEqual(["reload_required", "wasm_load_failed", "wasm_load_failed"]);
});
