// The part of the package that is loaded with the first document: the values of documents, in a wasm of their own.
//
// Built as a file of its own. It shares nothing with the rest but plain data.

import init, { DocumentCore, type InitInput } from "./wasm/longhaul_documents.js";

export type { DocumentCore };

let loading: Promise<unknown> | undefined;

/** Makes documents, once the wasm is there. A failed load is tried again at the next call. */
export async function load(wasm?: InitInput): Promise<(producer: string) => DocumentCore> {
  loading ??= init(wasm === undefined ? undefined : { module_or_path: wasm });
  try {
    await loading;
  } catch (cause) {
    loading = undefined;
    throw cause;
  }
  return (producer) => new DocumentCore(producer);
}
