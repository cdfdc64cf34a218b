// Loads the wasm, once a page, at the first connect.

import type { Options } from "./api.js";
import { LonghaulError } from "./errors.js";
import { compile } from "./instance.js";

let loading: Promise<WebAssembly.Module> | undefined;

/** The core, ready for instances of it. A failed load is tried again at the next connect. */
export function load(wasm: Options["wasm"]): Promise<WebAssembly.Module> {
  loading ??= compile(wasm ?? new URL("longhaul_bg.wasm", import.meta.url)).catch((cause: unknown) => {
    loading = undefined;
    throw loadFailed(cause);
  });
  return loading;
}

export function loadFailed(cause: unknown): LonghaulError {
  return new LonghaulError("wasm_load_failed", `the wasm could not be loaded: ${String(cause)}`, {
    hint: "serve longhaul_bg.wasm beside the script, or pass options.wasm; a Content-Security-Policy needs 'wasm-unsafe-eval'",
    cause,
  });
}
