// npm run herd: simulates 100,000 clients that lose their hub at once, in virtual time. It writes
// docs/herd.md and docs/herd.svg.
//
//   npm run herd -- 5000    5,000 clients; it only prints

import { main, run, step } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  const rest = process.argv.slice(2);
  await step(
    "simulate the thundering herds",
    () => run("cargo", ["run", "-q", "--release", "-p", "herd", "--", ...rest]),
    "a minute or two",
  );
});
