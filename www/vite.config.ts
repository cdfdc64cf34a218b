import { createHash } from "node:crypto";
import { defineConfig, type Plugin } from "vite";

/** The hub that `vite dev` talks to through the page's own origin. */
const hub = "http://127.0.0.1:4400";
/** Has to lie at the root: a service worker sees no more than what is below it. */
const worker = "sw.js";

/** Tells the service worker what to keep: everything that is built. */
function keptFiles(): Plugin {
  return {
    name: "kept-files",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const hash = createHash("sha256");
      const files = ["/favicon.svg"];
      for (const [name, file] of Object.entries(bundle)) {
        hash.update(name).update(file.type === "chunk" ? file.code : file.source);
        if (name !== worker && name !== "index.html") files.push(`/${name}`);
      }
      const made = bundle[worker];
      if (made?.type !== "chunk") throw new Error(`${worker} is missing`);
      made.code = made.code
        .replaceAll("__VERSION__", JSON.stringify(hash.digest("hex").slice(0, 16)))
        .replaceAll("__FILES__", JSON.stringify(files));
    },
  };
}

export default defineConfig({
  plugins: [keptFiles()],
  build: {
    target: "es2022",
    // Everything stays a file of its own: the hub's Content-Security-Policy has no `data:`.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { main: "index.html", sw: "src/sw.ts" },
      output: {
        entryFileNames: ({ name }) => (name === "sw" ? worker : "assets/[name]-[hash].js"),
      },
    },
  },
  server: {
    proxy: {
      "/v1": { target: hub, ws: true },
      "/.well-known": { target: hub },
    },
  },
});
