// `longhaul/service-worker`: the outbox in an app's service worker.
//
//   import { installOutbox } from "longhaul/service-worker";
//   installOutbox();
//
// or, in a classic worker:
//
//   importScripts("/service-worker.js"); // a copy of longhaul/dist/service-worker.js
//   longhaul.installOutbox();

export interface InstallOptions {
  /** The name of the outbox's database, as in the options of `connect`. Default: `longhaul`. */
  name?: string;
  /** Where the wasm comes from. Default: `longhaul_bg.wasm` beside the script. */
  wasm?: URL | string | Response | BufferSource | WebAssembly.Module;
}

/**
 * Adds listeners for the events `sync` (tag `longhaul-outbox`) and `message`. Call it while the
 * script is first evaluated. It sends rows as tabs do, in the same order and with the same
 * producer; the hub drops duplicates. Throws nothing. A flush that fails rejects its event, and the
 * browser repeats it.
 */
export function installOutbox(options?: InstallOptions): void;
