// The part of the package that is loaded with the first document: the values of documents, in a wasm of their own, and what brings
// the page's copies of them up to date.
//
// Built as a file of its own. It shares nothing with the rest but plain data.

import type { Options } from "./api.js";
import { follow } from "./follow.js";
import { instantiate, Shared } from "./instance.js";
import type { DocumentCore as Bound } from "./wasm/longhaul_documents.js";
import { bindings } from "./wasm/longhaul_documents_bindings.js";

/** A document's core, and the page's copy of its value. */
export interface DocumentCore extends Bound {
  /** Takes entries that follow each other: their records. */
  take(records: string): number;
  /** The value's copy, made of the one before; undefined where nothing has changed since the last look. */
  copy(before: unknown): { readonly value: unknown } | undefined;
}

/** The bindings hand over text character by character, which is quicker up to about so many. Chosen: near where the two cross. */
const charsFew = 500;

const encoder = new TextEncoder();

const shared = new Shared();

/** Makes documents in an instance of its own. Rejects with a `LoadFault`. */
export async function load(
  wasm: Options["wasm"],
  attempt = 1,
  signal?: AbortSignal,
): Promise<(producer: string) => DocumentCore> {
  const source = wasm ?? new URL("longhaul_documents_bg.wasm", import.meta.url);
  const module = await shared.load(source, attempt, signal);
  const made = bindings();
  // Whoever has made a document hears of its crashes; what remains are finalizers.
  await instantiate(module, made, () => {});
  class Copying extends made.DocumentCore implements DocumentCore {
    take(records: string): number {
      return records.length < charsFew ? this.changes(records) : this.changesUtf8(encoder.encode(records));
    }

    copy(before: unknown): { readonly value: unknown } | undefined {
      const commands = this.look();
      return commands === undefined ? undefined : { value: follow(before, JSON.parse(commands)) };
    }
  }
  return (producer) => new Copying(producer);
}
