/** A tag that the plugin adds to a page. */
export interface Tag {
  tag: "link";
  attrs: Record<string, string>;
  injectTo: "head";
}

/** A plugin for Vite 5 and later, in types of its own: the package does not depend on Vite. */
export interface VitePlugin {
  name: "longhaul";
  config(): { optimizeDeps: { exclude: string[] } };
  configResolved(config: { readonly base: string }): void;
  transformIndexHtml: {
    order: "post";
    handler(html: string, context: { readonly bundle?: object }): Tag[];
  };
}

/**
 * Makes `longhaul` work with Vite's development server. In built pages, it starts the download of
 * the wasm together with that of the script.
 *
 * ```ts
 * // vite.config.ts
 * import { longhaul } from "longhaul/vite";
 * export default defineConfig({ plugins: [longhaul()] });
 * ```
 */
export function longhaul(): VitePlugin;
