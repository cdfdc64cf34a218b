// npm run programs: random programs of public calls on the shipped files, under faults, against a model of what is promised.
//
//   npm run programs -- 4711                          one seed, told line by line if it fails
//   npm run programs -- 1 --count 20000               many, from a seed on
//   npm run programs -- 1 --count 200 --dist FOLDER   on files that were built of another state of the sources

import { join } from "node:path";
import { build } from "./build.mjs";
import { bin, isMain, main, root, run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

/** Runs them; `npm test` does so too. */
export async function programs(args) {
  const out = join(root, "target/programs/main.mjs");
  const bundle = ["--bundle", "--platform=node", "--format=esm", "--packages=external", "--sourcemap"];
  await run(bin("esbuild"), ["tests/programs/main.ts", ...bundle, `--outfile=${out}`, "--log-level=warning"]);
  await run(process.execPath, [out, ...args]);
}

if (isMain(import.meta.url)) {
  await main(async () => {
    await setup();
    await build(["js"]);
    await programs(process.argv.slice(2));
  });
}
