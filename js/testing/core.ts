// The hub's wasm: where it comes from, and an instance of it for each hub.

import type { WasmSource } from "./api.js";
import type { HubCore } from "./wasm/longhaul_testing.js";
import { bindings } from "./wasm/longhaul_testing_bindings.js";

let loading: Promise<WebAssembly.Module> | undefined;

/** A hub's core in an instance of its own. */
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

async function compile(wasm: WasmSource): Promise<WebAssembly.Module> {
  const source = typeof wasm === "string" || wasm instanceof URL ? await read(wasm) : await wasm;
  return source instanceof WebAssembly.Module ? source : WebAssembly.compile(source);
}

/** Node's, for what it has and browsers do not. */
interface Process {
  getBuiltinModule?(name: "node:fs/promises"): { readFile(url: URL): Promise<BufferSource> };
}

/** The bytes at an address. Node's fetch knows no files. */
async function read(address: string | URL): Promise<BufferSource> {
  const url = new URL(address, globalThis.location?.href);
  if (url.protocol === "file:") {
    const { process } = globalThis as { process?: Process };
    const files = process?.getBuiltinModule?.("node:fs/promises");
    if (files === undefined) throw new Error(`${url} can't be read here: pass the wasm's bytes`);
    return files.readFile(url);
  }
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`HTTP ${answer.status} for ${url}`);
  return answer.arrayBuffer();
}
