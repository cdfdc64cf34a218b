// Runs before `npm pack -w js`: the licences and the README go into the package, which must have been built.

import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { main, root, Stop } from "./lib/run.mjs";

await main(() => {
  for (const name of ["index.js", "index.d.ts", "longhaul_bg.wasm"]) {
    if (!existsSync(join(root, "js/dist", name)))
      throw new Stop(`js/dist/${name} is missing; build the package first:\n  npm run build`);
  }
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE", "README.md"]) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(root, "js", name));
  }
});
