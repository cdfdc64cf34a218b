// Turns the generated bindings of a wasm, a module with state of its own, into a function that makes a set of them for each instance.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin, root, run, Stop } from "./run.mjs";

/**
 * Writes FILE_bindings.js and its types beside FILE_bg.js in the folder `out`. The generated code is not read: esbuild writes it with
 * all that it exports in one clause at the end, and that becomes what the function returns.
 */
export async function makeBindings(out, file) {
  const gathered = join(out, `${file}_bg.gathered.js`);
  await run(bin("esbuild"), [
    join(out, `${file}_bg.js`),
    "--bundle",
    "--format=esm",
    "--target=es2022",
    `--outfile=${gathered}`,
    "--log-level=warning",
  ]);
  const [code, names, ...more] = readFileSync(join(root, gathered), "utf8").split(/^export \{$/m);
  if (names === undefined || more.length > 0 || / as |import/.test(names)) {
    throw new Stop(
      `${gathered} does not end with one list of its exports: tools/scripts/lib/bindings.mjs counts on that`,
    );
  }
  const body = `export function bindings() {\n${code}return {\n${alikeTogether(names, code)}\n};\n}\n`;
  const types = `import type * as Bindings from "./${file}.js";
export declare function bindings(): typeof Bindings & {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
};
`;
  writeFileSync(join(root, out, `${file}_bindings.js`), body);
  writeFileSync(join(root, out, `${file}_bindings.d.ts`), types);
}

/**
 * The names of a clause of exports, in the order of what the functions behind them do: terser puts each function where it is named, and
 * what is alike compresses better side by side. The code stays as it is: where a function is not found, only bytes are lost.
 */
function alikeTogether(names, code) {
  const functions = code.split(/^function (?=[\w$]+\()/m).slice(1);
  const texts = new Map(functions.map((text) => [text.split("(", 1)[0], text.slice(text.indexOf("("))]));
  const text = (name) => texts.get(name) ?? "";
  const byText = (a, b) => (text(a) < text(b) ? -1 : Number(text(a) > text(b)));
  return names
    .match(/[\w$]+/g)
    .sort(byText)
    .join(",\n");
}
