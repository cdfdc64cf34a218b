// Loads the hub's wasm, and makes an instance of it for each hub.

import type { WasmSource } from "./api.js";
import { readFile } from "./node.js";
import type { HubCore } from "./wasm/longhaul_testing.js";
import { bindings } from "./wasm/longhaul_testing_bindings.js";

let loading: Promise<WebAssembly.Module> | undefined;

/** Returns a function that makes a hub's core, in an instance of its own. */
export async function makeCore(
  wasm: WasmSource | undefined,
): Promise<(seed: number, limits: string) => HubCore> {
  loading ??= compile(wasm ?? new URL("longhaul_testing_bg.wasm", import.meta.url));
  let module: WebAssembly.Module;
  try {
    module = await loading;
  } catch (cause) {
    loading = undefined;
    throw cause;
  }
  const made = bindings();
  const name = WebAssembly.Module.imports(module)[0]?.module ?? "";
  const imports = made as unknown as WebAssembly.ModuleImports;
  const { exports } = await WebAssembly.instantiate(module, { [name]: imports });
  made.__wbg_set_wasm(exports);
  (exports["__wbindgen_start"] as () => void)();
  return (seed, limits) => new made.HubCore(seed, limits);
}

/**
 * Loads the code that clients load with their first document. A virtual clock can't wait for an
 * import, but a second import of the same code is immediate.
 */
export async function preload(): Promise<void> {
  try {
    await import(/* @vite-ignore */ new URL("documents.js", import.meta.url).href);
  } catch {
    // A bundler may have moved it.
  }
}

async function compile(wasm: WasmSource): Promise<WebAssembly.Module> {
  const source = typeof wasm === "string" || wasm instanceof URL ? await read(wasm) : await wasm;
  return source instanceof WebAssembly.Module ? source : WebAssembly.compile(source);
}

/** The bytes at an address. */
async function read(address: string | URL): Promise<BufferSource> {
  const url = new URL(address, globalThis.location?.href);
  const file = readFile(url);
  if (file !== undefined) return file;
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`HTTP ${answer.status} for ${url}`);
  return answer.arrayBuffer();
}
