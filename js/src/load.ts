// Loads the wasm once for each page, and explains failures.

import type { Options } from "./api.js";
import { found } from "./browser.js";
import { LonghaulError } from "./errors.js";
import { given, type LoadFault, Shared } from "./instance.js";

const shared = new Shared();
const sharedDocuments = /* @__PURE__ */ new Shared();

/**
 * Loads the module of the core, from which clients make instances. `attempt` counts this client's
 * attempts from 1. Rejects with a `LoadError`.
 */
export async function load(
  wasm: Options["wasm"],
  attempt = 1,
  signal?: AbortSignal,
): Promise<WebAssembly.Module> {
  try {
    return await shared.load(
      (await given(wasm)) ?? beside(() => new URL("./longhaul_bg.wasm", import.meta.url)),
      attempt,
      signal,
    );
  } catch (cause) {
    throw loadFailed(cause as LoadFault);
  }
}

/** The core's module has no instance: a deploy may have mixed the files of two versions. */
export function forget(): void {
  shared.forget();
}

/** The same for the module of documents. */
export function forgetDocuments(): void {
  sharedDocuments.forget();
}

/** The same for the core of documents. Rejects with a `LoadFault`. */
export async function loadDocuments(
  wasm: Options["documentsWasm"],
  attempt: number,
  signal: AbortSignal,
): Promise<WebAssembly.Module> {
  const address = () => new URL("./longhaul_documents_bg.wasm", import.meta.url);
  return sharedDocuments.load((await given(wasm)) ?? beside(address), attempt, signal);
}

/** The address of a file beside the script, unless a bundler has left the script without one. */
function beside(address: () => URL): URL {
  const url = found(address);
  if (url !== undefined) return url;
  const fault = new Error("the bundler gave this script no address (import.meta.url)");
  throw Object.assign(fault, { isAnother: true, isFinal: true }) satisfies LoadFault;
}

/**
 * The client reports this failed attempt of those that got another file. Chosen: a deploy may cause
 * the first ones.
 */
const othersMax = 3;

/** Why a part of the package could not be loaded. */
export class LoadError extends LonghaulError {
  declare readonly code: "wasm_load_failed" | "reload_required";
  /** Whether no other attempt can succeed. */
  readonly isFinal: boolean;
  /** Whether the server sent something else than the wasm. */
  readonly isAnother: boolean;

  constructor(code: LoadError["code"], message: string, hint: string, cause: Partial<LoadFault>) {
    super(code, message, { hint, cause: cause.cause ?? cause });
    this.isFinal = cause.isFinal === true;
    this.isAnother = cause.isAnother === true;
  }
}

/** Counts attempts that got another file, to tell the app's developer about a wrong deployment. */
export class MisplacedFiles {
  #count = 0;

  /** Whether the client reports this failure to `onError`. */
  isReported({ isFinal, isAnother }: LoadError): boolean {
    if (isAnother) this.#count++;
    return isFinal || (isAnother && this.#count === othersMax);
  }
}

export function loadFailed(cause: Partial<LoadFault>): LoadError {
  return new LoadError(
    "wasm_load_failed",
    `the wasm could not be loaded: ${words(cause)}`,
    "serve longhaul_bg.wasm beside the script, or pass options.wasm: docs/bundlers.md has the line for each tool; a Content-Security-Policy needs 'wasm-unsafe-eval', and its address in connect-src",
    cause,
  );
}

/**
 * The rest of the package did load earlier. So files that are missing now were probably replaced by
 * a later deployment of the app.
 */
export function documentsFailed(cause: Partial<LoadFault>): LoadError {
  return new LoadError(
    cause.isAnother && !cause.isFinal ? "reload_required" : "wasm_load_failed",
    `documents could not be loaded: ${words(cause)}`,
    "reload the page, if the app was deployed anew; otherwise serve documents.js and longhaul_documents_bg.wasm beside the script, or pass options.documentsWasm",
    cause,
  );
}

function words(cause: Partial<LoadFault>): string {
  return cause.message ?? String(cause);
}
