// npm run lint: checks formats, warnings, types and documentation, and changes nothing.
// `npm run format` applies automatic fixes.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { ask, bin, main, root, run, Stop, seconds, step } from "./lib/run.mjs";
import { checkToolchain } from "./lib/toolchain.mjs";
import { setup } from "./setup.mjs";

const projects = ["js", "www", "tests", "tests/types", "bench", "examples/shopping-list"].filter((name) =>
  existsSync(join(root, name, "tsconfig.json")),
);

/** The crates that become a wasm. */
const wasmCrates = ["longhaul", "longhaul-documents", "longhaul-testing"];
const wasmTarget = ["--target", "wasm32-unknown-unknown"];

const checks = {
  "the Rust version is exact, and claimed": checkToolchain,
  rustfmt: () => run("cargo", ["fmt", "--all", "--check"]),
  biome: () => run(bin("biome"), ["check", "--error-on-warnings"]),
  "what Rust and TypeScript share": () => run("node", ["tools/scripts/boundary.mjs", "--check"]),
  "imports of the scripts": checkImports,
  "docs/errors.md has every code": () => run("node", ["tools/scripts/codes.mjs", "--check"]),
  "docs/requirements.md names what is there": () =>
    run("node", ["tools/scripts/requirements.mjs", "--check"]),
  "prose of README and docs": () => run("node", ["tools/scripts/prose.mjs"]),
  "clippy for the host": () =>
    run("cargo", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
  "clippy for the browser": async () => {
    // One at a time: together they would unify their features.
    for (const crate of wasmCrates)
      await run("cargo", ["clippy", "-p", crate, ...wasmTarget, "--", "-D", "warnings"]);
  },
  "documentation of Rust": async () => {
    const env = { ...process.env, RUSTDOCFLAGS: "-D warnings" };
    const doc = ["doc", "-q", "--no-deps", "--document-private-items"];
    await run("cargo", [...doc, "--workspace"], { env });
    // The code for the browser exists only for this target.
    await run("cargo", [...doc, "-p", "longhaul", ...wasmTarget], { env });
  },
  ...Object.fromEntries(projects.map((name) => [`types of ${name}/`, () => run(bin("tsc"), ["-p", name])])),
  "types of the unit tests": () => run(bin("tsc"), ["-p", "js/tsconfig.test.json"]),
  "cargo-deny": checkDependencies,
};

/** Bundles the scripts and drops the result: an import that leads nowhere is an error. */
async function checkImports() {
  const { build: bundle } = await import("esbuild");
  const folder = join(root, "tools/scripts");
  const names = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
  await bundle({
    entryPoints: names.map((name) => join(folder, name)),
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    write: false,
    outdir: root,
    logLevel: "error",
  });
}

/**
 * Licences, sources and bans. cargo-deny takes minutes to compile, so this does not install it. The
 * workflow always runs it.
 */
async function checkDependencies() {
  if (!(await ask("cargo", ["deny", "--version"]))) {
    console.log("  skipped, it is not installed (cargo install cargo-deny); the GitHub workflow runs it");
    return;
  }
  await run("cargo", ["deny", "check", "bans", "licenses", "sources"]);
}

await main(async () => {
  await setup({ lint: true });
  // tsc reads the types of the generated bindings.
  await build(["js"]);
  const startMs = Date.now();
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    await step(name, check).catch((error) => {
      console.error(error instanceof Stop ? `✗ ${error.message}` : error);
      failed.push(name);
    });
  }
  if (failed.length > 0)
    throw new Stop(`lint failed: ${failed.join(", ")}\n  npm run format applies automatic fixes`);
  console.log(`\n✓ lint passed (${seconds(Date.now() - startMs)})`);
});
