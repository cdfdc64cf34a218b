// Turns the generated bindings of a wasm into a function that makes a set of them.
//
// wasm-bindgen generates a module, and a module has its state once. Each client has an instance of
// its own, so each needs its own bindings. No option of the generator does that: its targets differ
// in how they load the wasm.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, Stop } from "./run.mjs";

/**
 * Writes FILE_bindings.js and its types beside FILE_bg.js in the folder `out`.
 *
 * esbuild bundles a module that imports every binding and assigns an object of them. Nothing here
 * reads the generated code.
 */
export async function makeBindings(out, file) {
  const esbuild = await import("esbuild");
  const folder = join(root, out);
  const renamed = readNames(join(folder, `${file}_names.json`));
  const names = await listExports(join(folder, `${file}_bg.js`));
  const members = names.map((name) => `${JSON.stringify(renamed.imports[name] ?? name)}: ${name}`);
  const contents = `import { ${names.join(", ")} } from "./${file}_bg.js";
made = { ${members.join(", ")} };`;
  await esbuild.build({
    stdin: { contents, resolveDir: folder, sourcefile: `${file}_entry.js` },
    bundle: true,
    format: "esm",
    target: "es2022",
    banner: { js: "export function bindings() {\nlet made;" },
    footer: { js: "return made;\n}" },
    outfile: join(folder, `${file}_bindings.js`),
    logLevel: "warning",
    ...renameProperties(renamed.exports),
  });
  checkRenamed(join(folder, `${file}_bindings.js`), renamed.exports);
  writeFileSync(
    join(folder, `${file}_bindings.d.ts`),
    `import type * as Bindings from "./${file}.js";
export declare function bindings(): typeof Bindings & {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
};
`,
  );
}

/** The names that `wasm-build bind --short-names` has replaced in the wasm. */
function readNames(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { imports: {}, exports: {} };
}

/** The exports of a generated module. Importing it does nothing else: it has no wasm yet. */
async function listExports(path) {
  // Node keeps a module by its URL, and a later build writes another one to the same path.
  return Object.keys(await import(`${pathToFileURL(path).href}?at=${Date.now()}`));
}

/** esbuild's options for the exports of the wasm, which the bindings call as properties. */
function renameProperties(exports) {
  const names = Object.keys(exports);
  if (names.length === 0) return {};
  return { mangleProps: new RegExp(`^(${names.join("|")})$`), mangleQuoted: true, mangleCache: exports };
}

/** A name that esbuild did not see as a property would not exist at run time. */
function checkRenamed(path, exports) {
  const code = readFileSync(path, "utf8");
  const left = Object.keys(exports).filter((name) => code.includes(`.${name}`));
  if (left.length > 0)
    throw new Stop(`${path} still calls ${left.join(", ")}: tools/scripts/lib/bindings.mjs renames them`);
}
