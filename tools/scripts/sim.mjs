// npm run sim: whole histories of real clients and a real hub in virtual time, with faults, and an oracle that watches.
//
//   npm run sim -- 4711                          one seed, told line by line
//   npm run sim -- --seeds 1000000 [--from N]    many, then what they have met: a million takes an hour or two

import { main, run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  await run("cargo", ["run", "-q", "-p", "longhaul-sim", "--", ...process.argv.slice(2)]);
});
