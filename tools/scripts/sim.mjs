// npm run sim: simulates whole histories of real clients and a real hub in virtual time, with
// faults. An oracle checks them.
//
//   npm run sim -- 4711                          one seed, printed line by line
//   npm run sim -- --seeds 1000000 [--from N]    many seeds, and which faults they met; a million
//                                                takes an hour or two

import { main, run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  await run("cargo", ["run", "-q", "-p", "longhaul-sim", "--", ...process.argv.slice(2)]);
});
