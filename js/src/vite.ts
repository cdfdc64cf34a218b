// The entry `longhaul/vite`: a plugin for Vite 5 and later.

import type { Tag, VitePlugin } from "./vite.api.js";

/** The wasm that every page with a client needs, with the hash that Vite adds to its name. */
const wasmName = /(?:^|\/)longhaul_bg(?:-[\w-]+)?\.wasm$/;

interface Bundle {
  readonly [file: string]: unknown;
}

export function longhaul(): VitePlugin {
  let base = "/";
  return {
    name: "longhaul",
    // Pre-bundling moves the script away from its wasm.
    config: () => ({ optimizeDeps: { exclude: ["longhaul"] } }),
    configResolved(config: { readonly base: string }) {
      base = config.base;
    },
    transformIndexHtml: {
      order: "post",
      handler(_html: string, { bundle }: { readonly bundle?: Bundle }): Tag[] {
        const file = Object.keys(bundle ?? {}).find((name) => wasmName.test(name));
        return file === undefined ? [] : [preload(base + file)];
      },
    },
  };
}

/**
 * Starts the download beside the script's. The low priority leaves the line to the script, which
 * the page needs first.
 */
function preload(href: string): Tag {
  const attrs = { rel: "preload", as: "fetch", type: "application/wasm", href };
  return { tag: "link", attrs: { ...attrs, crossorigin: "", fetchpriority: "low" }, injectTo: "head" };
}
