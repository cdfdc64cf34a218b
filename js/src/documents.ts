// The part of the package that is loaded with the first document: the values of documents, in a wasm of their own.
//
// Built as a file of its own. It shares nothing with the rest but plain data.

import type { Options } from "./api.js";
import { compile, instantiate } from "./instance.js";
import type { DocumentCore } from "./wasm/longhaul_documents.js";
import { bindings } from "./wasm/longhaul_documents_bindings.js";

export type { DocumentCore };

let loading: Promise<WebAssembly.Module> | undefined;

/** Makes documents in an instance of its own. A failed load is tried again at the next call. */
export async function load(wasm?: Options["wasm"]): Promise<(producer: string) => DocumentCore> {
  loading ??= compile(wasm ?? new URL("longhaul_documents_bg.wasm", import.meta.url));
  let module: WebAssembly.Module;
  try {
    module = await loading;
  } catch (cause) {
    loading = undefined;
    throw cause;
  }
  const made = bindings();
  // Whoever has made a document hears of its crashes; what remains are finalizers.
  await instantiate(module, made, () => {});
  return (producer) => new made.DocumentCore(producer);
}
