// npm run build: the package in js/dist, the demo in www/dist and the hub. Each part that is up to date is skipped.
//
//   npm run build -- --only js|www|hub    one part (www builds js first)
//   npm run build -- --names              keep the names of functions in the wasm, for a size profiler such as twiggy

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { makeBindings } from "./lib/bindings.mjs";
import { ask, bin, isMain, main, root, run, Stop, step } from "./lib/run.mjs";
import { checkSizes } from "./lib/sizes.mjs";
import { stepIfChanged } from "./lib/stamp.mjs";
import { setup } from "./setup.mjs";

const tools = ["package-lock.json", "Cargo.lock", "tools/scripts/build.mjs", "tools/scripts/lib"];
const rust = ["Cargo.toml", "rust-toolchain.toml", "src"];

/** Smallest when compressed, by trying: docs/size.md. What is alike stays alike where less is inlined and shared by locals. */
const small = [
  "--flatten",
  "--rereloop",
  "-Oz",
  "--converge",
  "--one-caller-inline-max-function-size=20",
  "--always-inline-max-function-size=1",
  "--skip-pass=local-cse",
  "--skip-pass=simplify-locals",
  // Nothing lies in the first kilobyte of the memory, where the stack would end.
  "--low-memory-unused",
  // Has one of its own: tools/xtask/src/order.rs.
  "--skip-pass=reorder-functions",
  "--optimize-added-constants-propagate",
  "-Oz",
  // What loads and stores say of it is a hint that no engine needs.
  "--dealign",
];

/** LLVM shares no values by locals either, where it can be told. */
const unshared = ["enable-pre=false", "disable-lsr", "disable-machine-cse", "disable-licm-promotion"];

/** What becomes a wasm each: the client, and documents, which are loaded with the first of them. */
const wasms = [
  { crate: "longhaul", file: "longhaul", profile: "wasm", llvm: unshared, passes: small },
  {
    crate: "longhaul-documents",
    file: "longhaul_documents",
    profile: "wasm-fast",
    llvm: [],
    passes: ["-O3"],
  },
];

/** The hub's core for tests of apps (longhaul/testing). A panic of it says its words: no linker takes them away. */
const testingWasm = {
  crate: "longhaul-testing",
  file: "longhaul_testing",
  profile: "wasm",
  llvm: [],
  passes: ["-Oz"],
  keepsPanics: true,
};

/** What rustc emits for wasm32-unknown-unknown by default. */
const wasmFeatures = [
  "bulk-memory",
  "bulk-memory-opt",
  "call-indirect-overlong",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
];

/** js/src/wasm: the client compiled, bound and optimised. */
async function wasm({ names }) {
  const out = "js/src/wasm";
  const what = {
    inputs: [...tools, ...rust, "crates/documents", "tools/xtask"],
    outputs: wasms.flatMap(({ file }) => [`${out}/${file}_bindings.js`, `${out}/${file}_bg.wasm`]),
    variant: `${await ask("rustc", ["--version"])}${names ? " with names" : ""}`,
  };
  return stepIfChanged("client wasm", what, async () => {
    rmSync(join(root, out), { recursive: true, force: true });
    for (const wasm of wasms) await oneWasm(wasm, out, names);
  });
}

/** js/testing/wasm: the hub's core compiled, bound and optimised. */
async function hubWasm({ names }) {
  const out = "js/testing/wasm";
  const { file } = testingWasm;
  const what = {
    inputs: [...tools, ...rust, "hub/Cargo.toml", "hub/src", "crates/testing", "tools/xtask"],
    outputs: [`${out}/${file}_bindings.js`, `${out}/${file}_bg.wasm`],
    variant: `${await ask("rustc", ["--version"])}${names ? " with names" : ""}`,
  };
  return stepIfChanged("testing wasm", what, () => oneWasm(testingWasm, out, names));
}

/** Each is compiled by itself: together they would be compiled with the features of both. */
async function oneWasm({ crate, file, profile, llvm, passes, keepsPanics = false }, out, names) {
  const target = "wasm32-unknown-unknown";
  const building = ["build", "-q", "-p", "xtask"];
  await step("build the linker", () => run("cargo", building), "a minute the first time");
  const linker = join(root, `target/debug/xtask${process.platform === "win32" ? ".exe" : ""}`);
  const variable = `CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}_LINKER`;
  const compile = ["rustc", "--profile", profile, "--target", target, "-p", crate, "--lib"];
  // Without this a crate that is a library for others as well is linked without any link-time optimisation.
  compile.push("--crate-type", "cdylib");
  // Another linker links again: cargo does not look into it.
  const metadata = createHash("sha256").update(readFileSync(linker)).digest("hex").slice(0, 16);
  compile.push("--", "-C", `metadata=${metadata}`);
  compile.push(...llvm.map((option) => `-Cllvm-args=-${option}`));
  const compiled = `target/${target}/${profile}/${file}.wasm`;
  const bind = ["run", "-q", "-p", "xtask", "--", "bindings", ...(names ? ["--names"] : []), compiled, out];
  const linking = keepsPanics ? {} : { [variable]: linker };
  const env = { ...process.env, ...linking, CARGO_ENCODED_RUSTFLAGS: placeless() };
  await step(`compile ${crate} to wasm`, () => run("cargo", compile, { env }), "half a minute");
  const makeThem = async () => {
    await run("cargo", bind);
    await makeBindings(out, file);
  };
  await step("make its bindings", makeThem, "a minute the first time");
  const bound = join(root, out, `${file}_bg.wasm`);
  await step("optimise it", () =>
    run(bin("wasm-opt"), [
      ...passes,
      ...wasmFeatures.map((feature) => `--enable-${feature}`),
      ...(names ? ["--debuginfo"] : []),
      "-o",
      `${bound}.opt`,
      bound,
    ]),
  );
  // It would lose the names of functions.
  if (names) renameSync(`${bound}.opt`, bound);
  else await run("cargo", ["run", "-q", "-p", "xtask", "--", "order", `${bound}.opt`, bound]);
  rmSync(`${bound}.opt`, { force: true });
}

/** What keeps out of the wasm where this machine has the sources of crates: the same wasm everywhere, and nobody's folders in it. */
function placeless() {
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry/src");
  const registries = readdirSync(sources).map((registry) => join(sources, registry));
  return registries.map((registry) => `--remap-path-prefix=${registry}/=`).join("\x1f");
}

/** js/dist: the npm package. */
async function js(options) {
  await wasm(options);
  await hubWasm(options);
  const dist = join(root, "js/dist");
  const outputs = [
    "js/dist/index.js",
    "js/dist/documents.js",
    "js/dist/signatures.js",
    "js/dist/testing.js",
    "js/dist/index.d.ts",
    "js/dist/signatures.d.ts",
    "js/dist/testing.d.ts",
    "js/dist/service-worker.d.ts",
    "js/dist/service-worker.js",
    "js/dist/service-worker.mjs",
    ...[...wasms, testingWasm].map(({ file }) => `js/dist/${file}_bg.wasm`),
  ];
  if (!existsSync(join(root, "js/src/index.ts"))) throw new Stop("js/src/index.ts is missing");
  await stepIfChanged(
    "package",
    { inputs: [...tools, "js/src", "js/testing", "js/package.json", "src/codes.json"], outputs },
    async () => {
      rmSync(dist, { recursive: true, force: true });
      mkdirSync(dist, { recursive: true });
      // Files that share no code: index.js loads documents.js with the first document, signatures.js imports index.js.
      // esbuild leaves `new URL("longhaul_bg.wasm", import.meta.url)` as it is: bundlers of apps find the wasm by it.
      await run(bin("esbuild"), [
        "js/src/index.ts",
        "js/src/documents.ts",
        "js/src/signatures.ts",
        "--bundle",
        "--external:./documents.js",
        "--external:./index.js",
        "--format=esm",
        "--target=es2022",
        "--minify",
        "--sourcemap",
        "--outdir=js/dist",
        "--log-level=warning",
      ]);
      await serviceWorker();
      await testing();
      for (const name of ["index.js", "documents.js", "signatures.js", "service-worker.mjs"]) {
        await shrink(`js/dist/${name}`, ["--module"]);
      }
      await shrink("js/dist/service-worker.js");
      for (const { file } of wasms) {
        copyFileSync(join(root, `js/src/wasm/${file}_bg.wasm`), join(dist, `${file}_bg.wasm`));
      }
      copyFileSync(
        join(root, `js/testing/wasm/${testingWasm.file}_bg.wasm`),
        join(dist, `${testingWasm.file}_bg.wasm`),
      );
      copyFileSync(join(root, "js/testing/api.d.ts"), join(dist, "testing.d.ts"));
      copyFileSync(join(root, "js/src/api.d.ts"), join(dist, "index.d.ts"));
      copyFileSync(join(root, "js/src/signatures.api.d.ts"), join(dist, "signatures.d.ts"));
      copyFileSync(join(root, "js/src/service-worker.api.d.ts"), join(dist, "service-worker.d.ts"));
    },
  );
  if (options.names) return;
  checkSizes(["js/dist/longhaul_bg.wasm", "js/dist/index.js"]);
  checkSizes(["js/dist/longhaul_documents_bg.wasm", "js/dist/documents.js"], "documents");
  checkSizes(["js/dist/signatures.js"], "signatures");
  // No page of users loads it, so it has no limit.
  checkSizes(["js/dist/longhaul_testing_bg.wasm", "js/dist/testing.js"], "testing");
}

/** The service worker's part, each a file that needs no other but the wasm: a module, and a script for `importScripts`. */
async function serviceWorker() {
  const bundle = [
    "js/src/service-worker.ts",
    "--bundle",
    "--target=es2022",
    "--minify",
    "--sourcemap",
    "--log-level=warning",
  ];
  await run(bin("esbuild"), [...bundle, "--format=esm", "--outfile=js/dist/service-worker.mjs"]);
  await run(bin("esbuild"), [
    ...bundle,
    "--format=iife",
    "--global-name=longhaul",
    // A classic script has no address of its own: the wasm lies beside the worker's.
    "--define:import.meta.url=self.location.href",
    "--outfile=js/dist/service-worker.js",
  ]);
}

/** longhaul/testing, which no page of users loads: readable, because people step through it. */
async function testing() {
  await run(bin("esbuild"), [
    "js/testing/index.ts",
    "--bundle",
    "--format=esm",
    "--target=es2022",
    "--sourcemap",
    "--outfile=js/dist/testing.js",
    "--log-level=warning",
  ]);
}

/**
 * What esbuild has minified becomes smaller still: terser puts a function that is called once where it is called, and keeps the
 * source map. esbuild goes first for its short names of private members, which compress better. Functions without `this` become arrows:
 * nothing makes objects of them, which is what is unsafe about it.
 */
async function shrink(file, more = []) {
  const map = `content='${file}.map',includeSources,url='${basename(file)}.map'`;
  const options = [
    "--ecma",
    "2022",
    "--compress",
    "passes=2,unsafe_arrows",
    "--mangle",
    "--source-map",
    map,
    ...more,
  ];
  await run(bin("terser"), [file, ...options, "--output", file]);
}

/** www/dist: the demo. */
async function www() {
  if (!existsSync(join(root, "www/index.html"))) throw new Stop("www/index.html is missing");
  await stepIfChanged(
    "demo",
    {
      inputs: [...tools, "www", "js/dist"],
      outputs: ["www/dist/index.html"],
    },
    () => run(bin("vite"), ["build", "--logLevel", "warn"], { cwd: join(root, "www") }),
  );
}

/**
 * The hub. People get the fast one. Tests take the one that `cargo test` leaves beside its own programs, and the fault
 * proxy with it: asked for by itself it would be compiled again, because its dependencies have fewer features then.
 */
async function hub(profile) {
  const outputs = profile === "dev" ? [hubPath(profile), faultProxyPath] : [hubPath(profile)];
  const sources = profile === "dev" ? ["hub", "tools/faultproxy"] : ["hub"];
  const release = ["build", "-p", "longhaul-hub", "--bin", "longhaul-hub", "--profile", profile];
  const command = profile === "dev" ? ["test", "-q", "--workspace", "--no-run"] : release;
  await stepIfChanged(
    `hub (${profile})`,
    {
      inputs: ["Cargo.lock", ...rust, ...sources],
      outputs,
      variant: await ask("rustc", ["--version"]),
      hint: "two minutes the first time",
    },
    () => run("cargo", command),
  );
}

/** Where cargo leaves the hub. */
export function hubPath(profile) {
  return `target/${profile === "dev" ? "debug" : profile}/longhaul-hub`;
}

/** Where `cargo test` leaves the fault proxy. */
export const faultProxyPath = "target/debug/faultproxy";

/** examples/shopping-list/dist: the app of a newcomer, which the tests use as users do. */
async function shoppingList() {
  const folder = "examples/shopping-list";
  await stepIfChanged(
    "shopping list",
    { inputs: [...tools, folder, "js/dist"], outputs: [`${folder}/dist/index.html`] },
    () => run(bin("vite"), ["build", "--logLevel", "warn"], { cwd: join(root, folder) }),
  );
}

/** Builds the parts named, in their order: any of "js", "www", "examples", "hub". */
export async function build(parts, { names = false, profile = "release" } = {}) {
  if (["js", "www", "examples"].some((part) => parts.includes(part))) await js({ names });
  if (parts.includes("www")) await www();
  if (parts.includes("examples")) await shoppingList();
  if (parts.includes("hub")) await hub(profile);
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { values } = parseArgs({ options: { only: { type: "string" }, names: { type: "boolean" } } });
    const parts = values.only ? [values.only] : ["js", "www", "hub"];
    if (!["js", "www", "hub"].includes(parts[0])) throw new Stop(`--only ${values.only}: js, www or hub`);
    await setup();
    await build(parts, { names: values.names });
  });
}
