// The tests' hub and fault proxy, for benches of the real thing.

import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

export async function support(name) {
  const out = join(here, "results", name);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const outfile = join(out, "support.mjs");
  await build({
    stdin: {
      contents: `export * from "./hub.js"; export { startFaultProxy } from "./proxies.js";`,
      resolveDir: join(dirname(here), "tests/e2e/support"),
    },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    outfile,
    logLevel: "warning",
  });
  return import(pathToFileURL(outfile));
}
