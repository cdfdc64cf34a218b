// npm run sizes: builds the client once for each step above the plain build, and prints the table
// of docs/size.md. It takes some minutes, and changes nothing in js/dist.

import { bundle } from "./lib/package.mjs";
import { main } from "./lib/run.mjs";
import { sizesOf } from "./lib/sizes.mjs";
import { allSteps, buildWasm, clientWasms } from "./lib/wasm.mjs";
import { setup } from "./setup.mjs";

const client = clientWasms.filter(({ crate }) => crate === "longhaul");

const wasm = "target/sizes/wasm";
const dist = "target/sizes/dist";

/** The sizes of the wasm and of index.js with some steps, after the step `last` was added. */
async function measure(steps, last) {
  // terser changes no wasm.
  if (last !== "terser") for (const one of client) await buildWasm(one, wasm, { steps });
  await bundle({ wasm, dist }, steps, { only: "index" });
  return [sizesOf(`${wasm}/longhaul_bg.wasm`).brotli, sizesOf(`${dist}/index.js`).brotli];
}

function table(rows) {
  const count = (bytes) => bytes.toLocaleString("en");
  const lines = rows.map(({ name, sizes }, index) => {
    const [total, before] = [rows[index], rows[index - 1]].map((row) => row && row.sizes[0] + row.sizes[1]);
    const saved = before === undefined ? "" : count(before - total);
    return `| ${name} | ${sizes.map(count).join(" | ")} | ${count(total)} | ${saved} |`;
  });
  const head = ["| step | wasm | index.js | client | saves |", "|---|---:|---:|---:|---:|"];
  return [...head, ...lines].join("\n");
}

await main(async () => {
  await setup();
  const steps = new Set();
  const rows = [{ name: "plain", sizes: await measure(steps) }];
  for (const [step, name] of Object.entries(allSteps)) {
    steps.add(step);
    rows.push({ name, sizes: await measure(steps, step) });
  }
  console.log(`\n${table(rows)}`);
});
