// npm run herd: a hundred thousand clients lose their hub at once, in virtual time; docs/herd.md and docs/herd.svg.
//
//   npm run herd -- 5000    so many clients instead, and only print

import { main, run, step } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  await setup();
  const rest = process.argv.slice(2);
  await step(
    "raise the storms",
    () => run("cargo", ["run", "-q", "--release", "-p", "herd", "--", ...rest]),
    "a minute or two",
  );
});
