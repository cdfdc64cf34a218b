// Loads the wasm, once a page, at the first connect.

import type { Options } from "./api.js";
import { LonghaulError } from "./errors.js";
import init, { type InitInput } from "./wasm/longhaul.js";

let loading: Promise<void> | undefined;

/** Resolves when the core can be used. A failed load is tried again at the next connect. */
export function load(wasm: Options["wasm"]): Promise<void> {
  loading ??= instantiate(wasm).catch((cause: unknown) => {
    loading = undefined;
    throw new LonghaulError("wasm_load_failed", `the wasm could not be loaded: ${String(cause)}`, {
      hint: "serve longhaul_bg.wasm beside the script, or pass options.wasm; a Content-Security-Policy needs 'wasm-unsafe-eval'",
      cause,
    });
  });
  return loading;
}

async function instantiate(wasm: Options["wasm"]): Promise<void> {
  await init(wasm === undefined ? undefined : { module_or_path: wasm as InitInput });
}
