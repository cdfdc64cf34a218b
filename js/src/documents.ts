// The core of documents, in a wasm of its own, and the updates of the page's copies of values.
//
// The build makes a separate file of it, which the client loads with the first document, together
// with the wasm. It shares only plain data with the rest.

import { applyCommands } from "./apply-commands.js";
import { instantiate } from "./instance.js";
import type { DocumentCore as Bound } from "./wasm/longhaul_documents.js";
import { bindings } from "./wasm/longhaul_documents_bindings.js";

/** A document's core, which also updates the page's copy of the value. */
export interface DocumentCore extends Bound {
  /** Applies the records of consecutive entries. */
  take(records: string): number;
  /** Makes a new copy from the one before; undefined if nothing has changed since the last copy. */
  copy(before: unknown): { readonly value: unknown } | undefined;
}

/**
 * Up to so many characters, the bindings' own way to pass text is faster. Chosen: near the
 * crossing.
 */
const charsFew = 500;

/** Makes an instance of the module, and returns a function that makes cores in it. */
export async function makeCores(module: WebAssembly.Module): Promise<(producer: string) => DocumentCore> {
  const made = bindings();
  // Calls of a document report their crashes themselves. Only finalizers remain.
  await instantiate(module, made, () => {});
  const encoder = new TextEncoder();
  class Copying extends made.DocumentCore implements DocumentCore {
    take(records: string): number {
      return records.length < charsFew ? this.changes(records) : this.changesUtf8(encoder.encode(records));
    }

    copy(before: unknown): { readonly value: unknown } | undefined {
      const commands = this.look();
      return commands === undefined ? undefined : { value: applyCommands(before, JSON.parse(commands)) };
    }
  }
  return (producer) => new Copying(producer);
}
