// The bundlers. Each one builds the app in the folder `app` into the folder `out`, which a plain
// server then serves, or starts a server of its own. What an entry does beside the tool's own
// minimum is what docs/bundlers.md tells users to do.

import { cpSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "node_modules/longhaul/dist");

/** Copies what the package loads by itself beside the bundle: docs/bundlers.md, "Files beside". */
function copyFiles(out, names) {
  for (const name of names) cpSync(join(dist, name), join(out, name));
}

const wasmFiles = ["longhaul_bg.wasm", "longhaul_documents_bg.wasm"];

/** A page for tools that make a script only. */
function writePage(out, script = "main.js", type = "module") {
  const tag = type === "module" ? `<script type="module" src="${script}">` : `<script src="${script}">`;
  writeFileSync(
    join(out, "index.html"),
    `<!doctype html>\n<meta charset="utf-8">\n<link rel="icon" href="data:,">\n${tag}</script>\n`,
  );
}

/** A page whose script is another entry of the app. */
function writeAppPage(app, entry) {
  writePage(app, `/${entry}`);
}

/** The module of a version of Vite. Its package's name is an alias. */
const importVite = (version) =>
  import(pathToFileURL(join(here, `node_modules/vite-${version}/dist/node/index.js`)));

const viteBuild =
  (version, { plugins = async () => [], entry } = {}) =>
  async ({ app, out }) => {
    if (entry) writeAppPage(app, entry);
    const { build } = await importVite(version);
    await build({
      root: app,
      configFile: false,
      logLevel: "warn",
      plugins: await plugins(),
      build: { outDir: out, emptyOutDir: true },
    });
  };

const viteDev =
  (version, { plugins = async () => [], entry, optimizeDeps } = {}) =>
  async ({ app }) => {
    if (entry) writeAppPage(app, entry);
    const { createServer } = await importVite(version);
    const server = await createServer({
      root: app,
      configFile: false,
      logLevel: "warn",
      cacheDir: join(app, ".vite"),
      plugins: await plugins(),
      ...(optimizeDeps && { optimizeDeps }),
      server: { host: "127.0.0.1", port: 0, strictPort: false },
    });
    await server.listen();
    const { port } = server.httpServer.address();
    return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
  };

const longhaulPlugin = async () => [(await import("longhaul/vite")).longhaul()];

function webpackConfig({ app, out }, entry = "main.js") {
  return {
    mode: "production",
    context: app,
    entry: `./${entry}`,
    output: { path: out, filename: "main.js" },
    performance: { hints: false },
  };
}

function runCompiler(compiler) {
  return new Promise((resolve, reject) => {
    compiler.run((error, stats) => {
      if (error) reject(error);
      else if (stats.hasErrors()) reject(new Error(stats.toString("errors-only")));
      else compiler.close(() => resolve());
    });
  });
}

async function esbuild({ app, out }, entry, options) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: { main: join(app, entry) },
    bundle: true,
    minify: true,
    logLevel: "error",
    outdir: out,
    ...options,
  });
}

async function rollup(bundler, { app, out }, plugins) {
  const bundle = await bundler({ input: join(app, "main.js"), plugins });
  await bundle.write({ dir: out, format: "es" });
  await bundle.close();
  writePage(out);
}

export const consumers = {
  ...Object.fromEntries(
    [5, 6, 7, 8].flatMap((version) => [
      [`vite ${version}, build`, viteBuild(version)],
      [`vite ${version}, build with longhaul/vite`, viteBuild(version, { plugins: longhaulPlugin })],
      [`vite ${version}, dev with longhaul/vite`, viteDev(version, { plugins: longhaulPlugin })],
    ]),
  ),
  "vite 7, dev with optimizeDeps.exclude": viteDev(7, { optimizeDeps: { exclude: ["longhaul"] } }),
  "vite 7, dev with ?url": viteDev(7, { entry: "main-url.js" }),
  "vite 8, build with ?url": viteBuild(8, { entry: "main-url.js" }),
  "vite 7, dev with longhaul/inline": viteDev(7, { entry: "main-inline.js" }),
  "webpack 5": async (paths) => {
    const { default: webpack } = await import("webpack");
    await runCompiler(webpack(webpackConfig(paths)));
    writePage(paths.out, "main.js", "classic");
  },
  Rspack: async (paths) => {
    const { rspack } = await import("@rspack/core");
    await runCompiler(rspack(webpackConfig(paths)));
    writePage(paths.out, "main.js", "classic");
  },
  "Rollup, files beside": async (paths) => {
    const { rollup: bundler } = await import("rollup");
    const { default: nodeResolve } = await import("@rollup/plugin-node-resolve");
    await rollup(bundler, paths, [nodeResolve({ browser: true })]);
    copyFiles(paths.out, wasmFiles);
  },
  "Rollup with @web/rollup-plugin-import-meta-assets": async (paths) => {
    const { rollup: bundler } = await import("rollup");
    const { default: nodeResolve } = await import("@rollup/plugin-node-resolve");
    const { importMetaAssets } = await import("@web/rollup-plugin-import-meta-assets");
    await rollup(bundler, paths, [nodeResolve({ browser: true }), importMetaAssets()]);
  },
  "Rolldown, files beside": async (paths) => {
    const { rolldown } = await import("rolldown");
    await rollup(rolldown, paths, []);
    copyFiles(paths.out, wasmFiles);
  },
  "Parcel 2": async ({ app, out }) => {
    writePage(app, "main.js");
    const { Parcel } = await import("@parcel/core");
    await new Parcel({
      entries: join(app, "index.html"),
      defaultConfig: "@parcel/config-default",
      shouldDisableCache: true,
      mode: "production",
      defaultTargetOptions: { distDir: out, shouldOptimize: true },
    }).run();
  },
  "esbuild, esm with the file loader": async (paths) => {
    await esbuild(paths, "main-files.js", { format: "esm", loader: { ".wasm": "file" } });
    writePage(paths.out);
  },
  "esbuild, splitting, files beside": async (paths) => {
    await esbuild(paths, "main.js", { format: "esm", splitting: true });
    copyFiles(paths.out, wasmFiles);
    writePage(paths.out);
  },
  "esbuild, iife with longhaul/inline": async (paths) => {
    await esbuild(paths, "main-inline.js", { format: "iife" });
    writePage(paths.out, "main.js", "classic");
  },
};
