// Sizes of what a page downloads, and the budget in js/size-budget.json that holds them.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { root, Stop } from "./run.mjs";

const kinds = ["raw", "gzip", "brotli"];

function sizesOf(path) {
  const bytes = readFileSync(join(root, path));
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length };
}

/** Prints a row a file and their sum, called `total` in the budget; a Stop names every limit that is passed. */
export function checkSizes(paths, total = "total") {
  const rows = new Map(paths.map((path) => [basename(path), sizesOf(path)]));
  const sum = (kind) => [...rows.values()].reduce((bytes, sizes) => bytes + sizes[kind], 0);
  rows.set(total, Object.fromEntries(kinds.map((kind) => [kind, sum(kind)])));

  const { limits } = JSON.parse(readFileSync(join(root, "js/size-budget.json"), "utf8"));
  const over = [];
  console.log(`  ${"bytes".padEnd(28)}${kinds.map((kind) => kind.padStart(10)).join("")}    budget`);
  for (const [name, sizes] of rows) {
    const limit = Object.entries(limits[name] ?? {});
    const told = limit.map(([kind, bytes]) => `${kind} ${bytes.toLocaleString("en")}`).join(", ");
    const cells = kinds.map((kind) => sizes[kind].toLocaleString("en").padStart(10)).join("");
    console.log(`  ${name.padEnd(28)}${cells}    ${told}`);
    for (const [kind, bytes] of limit) {
      if (sizes[kind] > bytes)
        over.push(
          `${name} is ${sizes[kind]} bytes (${kind}), ${sizes[kind] - bytes} over its limit of ${bytes}`,
        );
    }
  }
  if (over.length > 0) {
    throw new Stop(
      `${over.join("\n  ")}\n  Make it smaller (npm run build:wasm -- --names keeps names for a size profiler), or raise js/size-budget.json and say why in docs/decisions/build-and-size.md.`,
    );
  }
}
