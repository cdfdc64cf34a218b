import { expect, test } from "vitest";
import { longhaul } from "./vite.js";

test("a built page preloads the wasm under its hashed name, below the base", () => {
  const plugin = longhaul();
  plugin.configResolved({ base: "/app/" });
  const bundle = {
    "assets/index-a1.js": {},
    "assets/longhaul_documents_bg-b2.wasm": {},
    "assets/longhaul_bg-C_3-d.wasm": {},
  };
  expect(plugin.transformIndexHtml.handler("", { bundle })).toEqual([
    {
      tag: "link",
      attrs: {
        rel: "preload",
        as: "fetch",
        type: "application/wasm",
        href: "/app/assets/longhaul_bg-C_3-d.wasm",
        crossorigin: "",
        fetchpriority: "low",
      },
      injectTo: "head",
    },
  ]);
});

test("in development nothing is preloaded, and the package is not pre-bundled", () => {
  const plugin = longhaul();
  expect(plugin.transformIndexHtml.handler("", {})).toEqual([]);
  expect(plugin.config()).toEqual({ optimizeDeps: { exclude: ["longhaul"] } });
});
