// npm run programs: runs random programs of public calls on the shipped files, with faults. A model
// of the documented promises checks the results.
//
//   npm run programs -- 4711                           one seed; a failure is printed line by line
//   npm run programs -- 1 --count 20000                many seeds, from the first one on
//   npm run programs -- 1 --count 200 --dist FOLDER    the files of another build

import { join } from "node:path";
import { build } from "./build.mjs";
import { bin, isMain, main, root, run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

/** Bundles and runs the programs. `npm test` calls it as well. */
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
