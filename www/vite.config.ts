import { defineConfig } from "vite";

/** The hub that `vite dev` talks to through the page's own origin. */
const hub = "http://127.0.0.1:4400";

export default defineConfig({
  build: {
    target: "es2022",
    // Everything stays a file of its own: the hub's Content-Security-Policy has no `data:`.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      "/v1": { target: hub, ws: true },
      "/.well-known": { target: hub },
    },
  },
});
