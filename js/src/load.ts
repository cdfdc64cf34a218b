// Loads the wasm, once a page, and says why it could not.

import type { Options } from "./api.js";
import { LonghaulError } from "./errors.js";
import { type LoadFault, Shared } from "./instance.js";

const shared = new Shared();

/** The core, ready for instances of it. The `attempt`, from 1, is the client's own. Rejects with a `LoadError`. */
export async function load(
  wasm: Options["wasm"],
  attempt = 1,
  signal?: AbortSignal,
): Promise<WebAssembly.Module> {
  try {
    return await shared.load(wasm ?? new URL("longhaul_bg.wasm", import.meta.url), attempt, signal);
  } catch (cause) {
    throw loadFailed(cause as LoadFault);
  }
}

/** Attempts in a row that found another file, before that is reported. Chosen: a deploy may take the first ones. */
const othersMax = 3;

/** Why something of the package is not there yet. */
export class LoadError extends LonghaulError {
  /** No other attempt can go better. */
  readonly isFinal: boolean;
  /** Something else was there. */
  readonly isAnother: boolean;

  constructor(message: string, hint: string, cause: Partial<LoadFault>) {
    super("wasm_load_failed", message, { hint, cause: cause.cause ?? cause });
    this.isFinal = cause.isFinal === true;
    this.isAnother = cause.isAnother === true;
  }
}

/** Counts what an app's developer should hear of: files that are not where they should be. */
export class Misplaced {
  #count = 0;

  /** Whether this failure is the one to report. */
  isReported({ isFinal, isAnother }: LoadError): boolean {
    if (isAnother) this.#count++;
    return isFinal || (isAnother && this.#count === othersMax);
  }
}

export function loadFailed(cause: Partial<LoadFault>): LoadError {
  return new LoadError(
    `the wasm could not be loaded: ${words(cause)}`,
    "serve longhaul_bg.wasm beside the script, or pass options.wasm; a Content-Security-Policy needs 'wasm-unsafe-eval', and its address in connect-src",
    cause,
  );
}

export function documentsFailed(cause: Partial<LoadFault>): LoadError {
  return new LoadError(
    `documents could not be loaded: ${words(cause)}`,
    "serve documents.js and longhaul_documents_bg.wasm beside the script, or pass options.documentsWasm",
    cause,
  );
}

function words(cause: Partial<LoadFault>): string {
  return cause.message ?? String(cause);
}
