// npm run sizes: builds the client once for each step above the plain build, and prints the table
// of docs/size.md. It takes some minutes, and changes nothing in js/dist.

import { bundle } from "./lib/package.mjs";
import { main } from "./lib/run.mjs";
import { sizesOf } from "./lib/sizes.mjs";
import { allSteps, buildWasm, clientWasms, sortFunctions } from "./lib/wasm.mjs";
import { setup } from "./setup.mjs";

const client = clientWasms.find(({ crate }) => crate === "longhaul");
const wasm = "target/sizes/wasm";
const dist = "target/sizes/dist";

/** The work of the last steps. Every other step compiles and optimises the wasm again. */
const quickSteps = {
  order: () => sortFunctions(client, wasm),
  terser: () => {},
};

/** The sizes of the wasm and of index.js with some steps, after the step `last` was added. */
async function measure(steps, last) {
  if (last in quickSteps) await quickSteps[last]();
  else await buildWasm(client, wasm, { steps });
  await bundle({ wasm, dist }, steps, { only: "index" });
  return [`${wasm}/longhaul_bg.wasm`, `${dist}/index.js`].map((path) => sizesOf(path).brotli);
}

await main(async () => {
  await setup();
  const steps = new Set();
  const lines = ["| step | wasm | index.js | client | saves |", "|---|---:|---:|---:|---:|"];
  let before;
  const add = async (name, last) => {
    const sizes = await measure(steps, last);
    const total = sizes[0] + sizes[1];
    const cells = [...sizes, total, before === undefined ? "" : before - total];
    before = total;
    lines.push(`| ${[name, ...cells.map((bytes) => bytes.toLocaleString("en"))].join(" | ")} |`);
    console.log(lines.at(-1));
  };
  await add("plain", "plain");
  for (const [step, name] of Object.entries(allSteps)) {
    steps.add(step);
    await add(name, step);
  }
  console.log(`\n${lines.join("\n")}`);
});
