// npm run sizes: builds the client once for each step above the plain build, and prints the table
// of docs/size.md. It takes some minutes, and changes nothing in js/dist.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { bundle } from "./lib/package.mjs";
import { main, root } from "./lib/run.mjs";
import { allSteps, buildWasm, clientWasms } from "./lib/wasm.mjs";
import { setup } from "./setup.mjs";

const client = clientWasms.filter(({ crate }) => crate === "longhaul");

/** Bytes after brotli, whose default quality is 11. */
const sizeOf = (path) => brotliCompressSync(readFileSync(join(root, path))).length;

/** The sizes of the wasm and of index.js with some steps. */
async function measure(number, steps) {
  const folder = `target/sizes/${number}`;
  const wasm = `${folder}/wasm`;
  for (const one of client) await buildWasm(one, wasm, { steps });
  await bundle({ wasm, dist: `${folder}/dist` }, steps, { only: "index" });
  return [sizeOf(`${wasm}/longhaul_bg.wasm`), sizeOf(`${folder}/dist/index.js`)];
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
  const rows = [{ name: "plain", sizes: await measure(0, steps) }];
  for (const [step, name] of Object.entries(allSteps)) {
    steps.add(step);
    rows.push({ name, sizes: await measure(rows.length, steps) });
  }
  console.log(`\n${table(rows)}`);
});
