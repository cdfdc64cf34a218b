// Prints the sizes of files that pages download, and compares them with js/size-budget.json.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { root, Stop } from "./run.mjs";

const kinds = ["raw", "gzip", "brotli"];

/** The sizes of a file in bytes: raw, and after each compression. */
export function sizesOf(path) {
  const bytes = readFileSync(join(root, path));
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length };
}

/**
 * Prints a row for each file and one for their sum, which the budget calls `total`. Throws a Stop
 * with every limit that is exceeded.
 */
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
      `${over.join("\n  ")}\n  Make it smaller: npm run build:wasm -- --names keeps the names for a size profiler. Or raise the limit in js/size-budget.json, and give the reason in docs/decisions/build-and-size.md.`,
    );
  }
}
