// npm run fuzz: feeds mutated inputs to the parsers of data from peers, and prints the failures.
// The corpora are in tests/fuzz/corpus.
//
//   npm run fuzz -- --seconds 600              all targets
//   npm run fuzz -- frames --seed 7            one target: frames, json, resume, transports or hub
//   npm run fuzz -- json --input FILE          one input

import { main, run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  await run("cargo", ["run", "-q", "-p", "longhaul-fuzz", "--", ...process.argv.slice(2)]);
});
