// Builds one wasm: cargo compiles it, wasm-bindgen generates its bindings, wasm-opt optimises it.
//
// That is the plain build. Each step of `allSteps` makes the result smaller, and each can be left
// out. docs/size.md says what each one saves.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeBindings } from "./bindings.mjs";
import { bin, root, run, step } from "./run.mjs";

const target = "wasm32-unknown-unknown";

/** Every step above the plain build, in the order of docs/size.md, with what it does. */
export const allSteps = {
  lto: "link-time optimisation of all crates as one",
  traps: "panics as traps",
  llvm: "LLVM shares fewer values through locals",
  names: "short names for imports and closures",
  passes: "own passes of wasm-opt instead of `-Oz`",
  order: "similar functions side by side",
  terser: "terser on the output of esbuild",
};

/** The passes with the smallest compressed result, found by trying (docs/size.md). */
const smallPasses = [
  "--flatten",
  "--rereloop",
  "-Oz",
  "--converge",
  "--one-caller-inline-max-function-size=20",
  "--always-inline-max-function-size=1",
  "--skip-pass=local-cse",
  "--skip-pass=simplify-locals",
  // The linker puts the stack first, so no data is in the first kilobyte.
  "--low-memory-unused",
  // tools/wasm-build/src/order.rs sorts them.
  "--skip-pass=reorder-functions",
  "--optimize-added-constants-propagate",
  "-Oz",
  // Alignments are hints that no engine needs.
  "--dealign",
];

/** Keep LLVM from sharing values through locals, which compresses worse. */
const unsharedValues = ["enable-pre=false", "disable-lsr", "disable-machine-cse", "disable-licm-promotion"];

/** The wasm of the client, and the one of documents, which a page loads with its first document. */
export const clientWasms = [
  {
    crate: "longhaul",
    file: "longhaul",
    profile: "wasm",
    llvm: unsharedValues,
    passes: smallPasses,
    traps: true,
  },
  {
    crate: "longhaul-documents",
    file: "longhaul_documents",
    profile: "wasm-fast",
    llvm: [],
    passes: ["-O3"],
    traps: true,
  },
];

/** The hub's core for longhaul/testing. Its panics keep their messages. */
export const testingWasm = {
  crate: "longhaul-testing",
  file: "longhaul_testing",
  profile: "wasm",
  llvm: [],
  passes: ["-Oz"],
  traps: false,
};

/** The features that rustc uses for this target by default. */
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

/**
 * Builds a wasm and its bindings into the folder `out`. `steps` is a set of keys of `allSteps`.
 * `symbols` keeps the names of functions, so it excludes the steps "names" and "order".
 */
export async function buildWasm(wasm, out, { steps, symbols = false }) {
  const { crate, file } = wasm;
  mkdirSync(join(root, out), { recursive: true });
  await step("build the tools of the build", () => runTool("build", []), "a minute the first time");
  const compiled = await step(`compile ${crate} to wasm`, () => compile(wasm, steps), "half a minute");
  await step("generate its bindings", async () => {
    const naming = symbols ? ["--symbols"] : steps.has("names") ? ["--short-names"] : [];
    rmSync(join(root, out, `${file}_names.json`), { force: true });
    await runTool("run", ["bind", ...naming, compiled, out]);
    await makeBindings(out, file);
  });
  await step("optimise it", () => optimise(wasm, out, { steps, symbols }));
  if (steps.has("order") && !symbols) await sortFunctions(wasm, out);
}

/** Replaces a wasm by the same one with similar functions side by side. */
export async function sortFunctions({ file }, out) {
  const path = join(root, out, `${file}_bg.wasm`);
  await runTool("run", ["order", path, path]);
}

/** Builds or runs tools/wasm-build. */
function runTool(verb, args) {
  if (verb === "build") return run("cargo", ["build", "-q", "-p", "wasm-build"]);
  return run("cargo", ["run", "-q", "-p", "wasm-build", "--bin", "wasm-build", "--", ...args]);
}

/** The path of the wasm that cargo leaves. One crate at a time: two would unify their features. */
async function compile({ crate, file, profile, llvm, traps }, steps) {
  const chosen = ["--target", target, "-p", crate, "--lib"];
  if (!steps.has("lto")) {
    await run("cargo", ["build", "--profile", "wasm-plain", ...chosen]);
    return `target/${target}/wasm-plain/${file}.wasm`;
  }
  // Without `--crate-type cdylib` cargo skips link-time optimisation of a crate that is also a
  // library, whatever its profile says.
  const command = ["rustc", "--profile", profile, ...chosen, "--crate-type", "cdylib", "--"];
  if (steps.has("llvm")) command.push(...llvm.map((option) => `-Cllvm-args=-${option}`));
  const env = { ...process.env, CARGO_ENCODED_RUSTFLAGS: remapPaths() };
  if (traps && steps.has("traps")) {
    const linker = join(root, `target/debug/wasm-linker${process.platform === "win32" ? ".exe" : ""}`);
    env[`CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}_LINKER`] = linker;
    // cargo does not notice that a linker has changed. A `cfg` that nothing reads makes it link
    // again, and leaves the code as it is.
    const hash = createHash("sha256").update(readFileSync(linker)).digest("hex").slice(0, 16);
    command.push("--cfg", `linker_${hash}`);
  }
  await run("cargo", command, { env });
  return `target/${target}/${profile}/${file}.wasm`;
}

/** Optimises a wasm in its place. */
async function optimise({ file, passes }, out, { steps, symbols }) {
  const path = join(root, out, `${file}_bg.wasm`);
  await run(bin("wasm-opt"), [
    ...(steps.has("passes") ? passes : ["-Oz"]),
    ...wasmFeatures.map((feature) => `--enable-${feature}`),
    ...(symbols ? ["--debuginfo"] : []),
    "-o",
    `${path}.opt`,
    path,
  ]);
  renameSync(`${path}.opt`, path);
}

/**
 * rustc's flags that keep the folders of this machine out of the wasm. The paths of crates begin
 * with the crate, and those of generated code with the repository.
 */
function remapPaths() {
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry/src");
  const registries = existsSync(sources) ? readdirSync(sources).map((name) => join(sources, name)) : [];
  return [...registries, root].map((folder) => `--remap-path-prefix=${folder}/=`).join("\x1f");
}
