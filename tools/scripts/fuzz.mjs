// npm run fuzz: feeds mutated inputs to what reads peers, and says what broke. The corpora are in tests/fuzz/corpus.
//
//   npm run fuzz -- frames --seconds 600 [--seed 7]    frames, json, resume, transports or hub; all of them without
//   npm run fuzz -- json --input FILE                  one input

import { main, run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  await run("cargo", ["run", "-q", "-p", "longhaul-fuzz", "--", ...process.argv.slice(2)]);
});
