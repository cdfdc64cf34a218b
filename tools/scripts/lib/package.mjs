// Bundles the npm package: the modules of js/ with esbuild and terser, the types, and the wasm.

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { root } from "./run.mjs";
import { clientWasms, testingWasm } from "./wasm.mjs";

/** The files of types, by their names in the package. They are written by hand. */
const types = {
  "index.d.ts": "js/src/api.d.ts",
  "react.d.ts": "js/src/react.api.d.ts",
  "signatures.d.ts": "js/src/signatures.api.d.ts",
  "service-worker.d.ts": "js/src/service-worker.api.d.ts",
  "testing.d.ts": "js/testing/api.d.ts",
  "vite.d.ts": "js/src/vite.api.d.ts",
  "wasm-address.d.ts": "js/src/wasm-address.d.ts",
};

/** The modules that tools without ES modules may require. Each is one file. */
const required = {
  index: "js/src/index.ts",
  inline: "js/src/inline.ts",
  react: "js/src/react.ts",
  signatures: "js/src/signatures.ts",
  testing: "js/testing/index.ts",
};

/**
 * The address of a CommonJS module, for the files beside it. `__filename` is a path, with
 * backslashes on Windows.
 */
const requiredUrl = `"file:///" + encodeURI(__filename.replace(/\\\\/g, "/").replace(/^\\//, "")).replace(/[?#]/g, encodeURIComponent)`;

/** The files of the package. */
export const packageFiles = [
  "index.js",
  "documents.js",
  "inline.js",
  "react.js",
  "signatures.js",
  "testing.js",
  "vite.js",
  ...Object.keys(required).map((name) => `${name}.cjs`),
  ...["index.d.cts", "inline.d.ts", "inline.d.cts", "react.d.cts", "signatures.d.cts", "testing.d.cts"],
  "service-worker.js",
  "service-worker.mjs",
  ...Object.keys(types),
  ...[...clientWasms, testingWasm].map(({ file }) => `${file}_bg.wasm`),
];

/**
 * Writes the package into the folder `dist`. The folders `wasm` and `testing` have the wasm of the
 * client and the one for tests. `steps` is a set of keys of `allSteps` (lib/wasm.mjs). `only` names
 * a module to write it alone.
 */
export async function bundle({ wasm, testing, dist }, steps, { only } = {}) {
  const out = join(root, dist);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const esbuild = await import("esbuild");
  const common = {
    absWorkingDir: root,
    bundle: true,
    target: "es2022",
    sourcemap: true,
    logLevel: "warning",
    plugins: [bindingsFrom({ wasm, testing })],
  };
  // Not the white space: esbuild would remove the comments for bundlers with it.
  const minified = { ...common, minifySyntax: true, minifyIdentifiers: true };
  // These modules share no code: index.js loads documents.js with the first document, and inline.js
  // and signatures.js import index.js. esbuild leaves `new URL("./longhaul_bg.wasm",
  // import.meta.url)` as it is, so that the bundlers of apps find the wasm.
  const modules = only ? [only] : ["index", "documents", "inline", "react", "signatures", "vite"];
  await esbuild.build({
    ...minified,
    entryPoints: modules.map((name) => `js/src/${name}.ts`),
    external: ["./documents.js", "./index.js", "react"],
    format: "esm",
    outdir: dist,
  });
  if (steps.has("terser"))
    for (const name of modules) await shrink(join(out, `${name}.js`), { module: true });
  if (only) return;
  // The service worker's part exists as a module and as a script for `importScripts`. Each needs
  // only the wasm.
  const worker = { ...minified, entryPoints: ["js/src/service-worker.ts"] };
  await esbuild.build({ ...worker, format: "esm", outfile: `${dist}/service-worker.mjs` });
  await esbuild.build({
    ...worker,
    format: "iife",
    globalName: "longhaul",
    // A classic script has no `import.meta`. The wasm is beside the worker's own script.
    define: { "import.meta.url": "self.location.href" },
    outfile: `${dist}/service-worker.js`,
  });
  // Not minified: people step through it in their tests.
  await esbuild.build({
    ...common,
    entryPoints: ["js/testing/index.ts"],
    format: "esm",
    outfile: `${dist}/testing.js`,
  });
  if (steps.has("terser")) {
    await shrink(join(out, "service-worker.mjs"), { module: true });
    await shrink(join(out, "service-worker.js"), { module: false });
  }
  for (const [name, path] of Object.entries(required)) {
    await esbuild.build({
      ...(name === "testing" ? common : minified),
      entryPoints: [path],
      format: "cjs",
      platform: "neutral",
      external: ["react"],
      outfile: `${dist}/${name}.cjs`,
      banner: { js: `var moduleUrl = ${requiredUrl};` },
      define: { "import.meta.url": "moduleUrl" },
      plugins: [...common.plugins, ...(name === "index" ? [] : [indexRequired])],
    });
    if (steps.has("terser") && name !== "testing") await shrink(join(out, `${name}.cjs`), { module: false });
  }
  for (const [name, path] of Object.entries(types)) copyFileSync(join(root, path), join(out, name));
  copyFileSync(join(root, types["index.d.ts"]), join(out, "inline.d.ts"));
  for (const name of Object.keys(required))
    copyFileSync(join(out, `${name}.d.ts`), join(out, `${name}.d.cts`));
  for (const { file } of clientWasms) copyWasm(wasm, file, out);
  copyWasm(testing, testingWasm.file, out);
}

function copyWasm(folder, file, out) {
  copyFileSync(join(root, folder, `${file}_bg.wasm`), join(out, `${file}_bg.wasm`));
}

/** An esbuild plugin for CommonJS modules: they require index.cjs, and share its classes. */
const indexRequired = {
  name: "index",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/index\.js$/ }, () => ({ path: "./index.cjs", external: true }));
  },
};

/**
 * An esbuild plugin: sources import bindings from their own folder, and get those of this build.
 * The same holds for a wasm that a source imports as base64.
 */
function bindingsFrom({ wasm, testing }) {
  return {
    name: "bindings",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^base64:/ }, ({ path }) => ({
        path: join(root, wasm, path.slice("base64:".length)),
        namespace: "base64",
      }));
      onLoad({ filter: /.*/, namespace: "base64" }, ({ path }) => ({
        contents: readFileSync(path),
        loader: "base64",
      }));
      onResolve({ filter: /\/longhaul\w*_bindings\.js$/ }, ({ path }) => {
        const name = basename(path);
        const folder = name.startsWith(testingWasm.file) ? testing : wasm;
        return { path: join(root, folder, name) };
      });
    },
  };
}

/** They tell bundlers to leave an import alone whose address is known at run time only. */
const commentsForBundlers = /@vite-ignore|webpackIgnore|turbopackIgnore/;

/**
 * Makes the output of esbuild smaller and keeps its source map: terser inlines functions that are
 * called once. esbuild runs first because its short names of private members compress better.
 * Functions without `this` become arrows, which is unsafe only for constructors; there are none.
 */
async function shrink(path, { module }) {
  const { minify } = await import("terser");
  const name = basename(path);
  const { code, map } = await minify(
    { [name]: readFileSync(path, "utf8") },
    {
      ecma: 2022,
      module,
      compress: { passes: 2, unsafe_arrows: true },
      mangle: true,
      format: { comments: commentsForBundlers },
      sourceMap: {
        content: readFileSync(`${path}.map`, "utf8"),
        includeSources: true,
        url: `${name}.map`,
      },
    },
  );
  writeFileSync(path, code);
  writeFileSync(`${path}.map`, map);
}
