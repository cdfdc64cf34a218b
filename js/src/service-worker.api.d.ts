// longhaul/service-worker: the outbox in an app's service worker.
//
//   import { installOutbox } from "longhaul/service-worker";
//   installOutbox();
//
// or, in a classic worker:
//
//   importScripts("/service-worker.js"); // a copy of longhaul/dist/service-worker.js
//   longhaul.installOutbox();

export interface InstallOptions {
  /** The outbox's database, as in `connect`'s options. Default: "longhaul". */
  name?: string;
  /** Where the wasm comes from, when it does not lie beside the script. */
  wasm?: URL | string | Response | BufferSource | WebAssembly.Module;
}

/**
 * Adds listeners for `sync` (tag "longhaul-outbox") and `message`. Call it while the script is first evaluated. What they send is what
 * tabs would send: same order, same identity, and the hub drops what comes twice.
 */
export function installOutbox(options?: InstallOptions): void;
