// npm run build: the package in js/dist, the demo in www/dist, and the hub. It skips parts that are
// up to date.
//
//   npm run build -- --only js|www|hub    one part (www builds js first)
//   npm run build -- --plain              the package in target/plain/dist, by cargo, wasm-bindgen,
//                                         wasm-opt and esbuild alone
//   npm run build -- --names              keeps the names of functions in the wasm, for a size
//                                         profiler such as twiggy

import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle, packageFiles } from "./lib/package.mjs";
import { ask, bin, isMain, main, root, run, Stop } from "./lib/run.mjs";
import { checkSizes } from "./lib/sizes.mjs";
import { stepIfChanged } from "./lib/stamp.mjs";
import { allSteps, buildWasm, clientWasms, testingWasm } from "./lib/wasm.mjs";
import { setup } from "./setup.mjs";

const locks = ["package-lock.json", "Cargo.lock"];
const rust = ["Cargo.toml", "rust-toolchain.toml", "src"];

/** The scripts that decide what is in a wasm, and in the package. */
const wasmScripts = ["tools/scripts/lib/wasm.mjs", "tools/scripts/lib/bindings.mjs"];
const packageScripts = ["tools/scripts/lib/wasm.mjs", "tools/scripts/lib/package.mjs"];

/** The folders of the package that users get. */
const shipped = { wasm: "js/src/wasm", testing: "js/testing/wasm", dist: "js/dist" };

/** The folders of the plain build, which replaces nothing of the other. */
const plainFolders = {
  wasm: "target/plain/wasm",
  testing: "target/plain/testing",
  dist: "target/plain/dist",
};

/** The folder of the package that `build(["js"], { plain: true })` leaves. */
export const plainDist = plainFolders.dist;

/** The npm package. */
async function js({ names, plain }) {
  const folders = plain ? plainFolders : shipped;
  const steps = new Set(plain ? [] : Object.keys(allSteps));
  await wasm("client wasm", clientWasms, folders.wasm, ["crates/documents"], { plain, names, steps });
  const hubCore = ["hub/Cargo.toml", "hub/src", "crates/testing"];
  await wasm("testing wasm", [testingWasm], folders.testing, hubCore, { plain, names, steps });
  const what = {
    inputs: [...locks, ...packageScripts, "js/src", "js/testing", "js/package.json", "src/codes.json"],
    outputs: packageFiles.map((name) => `${folders.dist}/${name}`),
  };
  if (plain) what.inputs.push(folders.wasm, folders.testing);
  await stepIfChanged(plain ? "plain package" : "package", what, () => bundle(folders, steps));
  if (names || plain) return;
  checkSizes(["js/dist/longhaul_bg.wasm", "js/dist/index.js"]);
  checkSizes(["js/dist/longhaul_documents_bg.wasm", "js/dist/documents.js"], "documents");
  checkSizes(["js/dist/signatures.js"], "signatures");
  // Pages of users do not load it, so it has no limit.
  checkSizes(["js/dist/longhaul_testing_bg.wasm", "js/dist/testing.js"], "testing");
}

/** Builds some of the wasms into a folder, unless they are up to date. */
async function wasm(name, wasms, out, sources, { plain, names, steps }) {
  const what = {
    inputs: [...locks, ...wasmScripts, ...rust, ...sources, "tools/wasm-build"],
    outputs: wasms.flatMap(({ file }) => [`${out}/${file}_bindings.js`, `${out}/${file}_bg.wasm`]),
    variant: `${await ask("rustc", ["--version"])}${names ? " with names" : ""}`,
  };
  return stepIfChanged(plain ? `plain ${name}` : name, what, async () => {
    rmSync(join(root, out), { recursive: true, force: true });
    for (const wasm of wasms) await buildWasm(wasm, out, { steps, symbols: names });
  });
}

/** www/dist: the demo. */
async function www() {
  await stepIfChanged(
    "demo",
    { inputs: [...locks, "www", "js/dist"], outputs: ["www/dist/index.html"] },
    () => run(bin("vite"), ["build", "--logLevel", "warn"], { cwd: join(root, "www") }),
  );
}

/**
 * The hub. People get an optimised one. Tests take the one that `cargo test` builds with its own
 * programs, together with the fault proxy. Built alone, its dependencies would have fewer features
 * and would be compiled again.
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

/** examples/shopping-list/dist: a small app. The tests use it in the way that its users do. */
async function shoppingList() {
  const folder = "examples/shopping-list";
  await stepIfChanged(
    "shopping list",
    { inputs: [...locks, folder, "js/dist"], outputs: [`${folder}/dist/index.html`] },
    () => run(bin("vite"), ["build", "--logLevel", "warn"], { cwd: join(root, folder) }),
  );
}

/** Builds the named parts in their order: any of "js", "www", "examples", "hub". */
export async function build(parts, { names = false, plain = false, profile = "release" } = {}) {
  if (["js", "www", "examples"].some((part) => parts.includes(part))) await js({ names, plain });
  if (parts.includes("www")) await www();
  if (parts.includes("examples")) await shoppingList();
  if (parts.includes("hub")) await hub(profile);
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { values } = parseArgs({
      options: { only: { type: "string" }, names: { type: "boolean" }, plain: { type: "boolean" } },
    });
    const { only, names, plain } = values;
    if (only !== undefined && !["js", "www", "hub"].includes(only))
      throw new Stop(`--only ${only}: there are js, www and hub`);
    if (plain && (names || (only ?? "js") !== "js"))
      throw new Stop("--plain builds the package only: it takes neither --names nor another part");
    await setup();
    await build(plain ? ["js"] : only ? [only] : ["js", "www", "hub"], { names, plain });
  });
}
