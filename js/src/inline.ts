// The entry `longhaul/inline`: the package with its wasm inside, for tools that can't serve a file.
// Its types are those of the package.

import wasm from "base64:longhaul_bg.wasm";
import documentsWasm from "base64:longhaul_documents_bg.wasm";
import type { Client, Options } from "./api.js";
import { connect as connectWith } from "./index.js";

export type * from "./api.js";
export { LonghaulError } from "./index.js";

/** The decoded modules. The clients of a page share them. */
let decoded: Pick<Options, "wasm" | "documentsWasm"> | undefined;

export function connect(url: string | URL | readonly (string | URL)[], options: Options = {}): Client {
  decoded ??= { wasm: bytes(wasm), documentsWasm: bytes(documentsWasm) };
  return connectWith(url, { ...decoded, ...options });
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
