// npm run lint: formats, warnings and types, without changing anything. `npm run format` mends what can be mended.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { ask, bin, main, root, run, Stop, seconds, step } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

const projects = ["js", "www", "tests", "tests/types", "bench", "examples/shopping-list"].filter((name) =>
  existsSync(join(root, name, "tsconfig.json")),
);

const checks = {
  rustfmt: () => run("cargo", ["fmt", "--all", "--check"]),
  biome: () => run(bin("biome"), ["check", "--error-on-warnings"]),
  "what Rust and TypeScript share": () => run("node", ["tools/scripts/boundary.mjs", "--check"]),
  "docs/errors.md has every code": () => run("node", ["tools/scripts/codes.mjs", "--check"]),
  "docs/requirements.md names what is there": () =>
    run("node", ["tools/scripts/requirements.mjs", "--check"]),
  "prose of README and docs": () => run("node", ["tools/scripts/prose.mjs"]),
  "clippy for the host": () =>
    run("cargo", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
  "clippy for the browser": async () => {
    // One by one: together they would have the features of both.
    for (const crate of ["longhaul", "longhaul-documents", "longhaul-testing"]) {
      const target = ["--target", "wasm32-unknown-unknown"];
      await run("cargo", ["clippy", "-p", crate, ...target, "--", "-D", "warnings"]);
    }
  },
  ...Object.fromEntries(projects.map((name) => [`types of ${name}/`, () => run(bin("tsc"), ["-p", name])])),
  "types of the unit tests": () => run(bin("tsc"), ["-p", "js/tsconfig.test.json"]),
  "cargo-deny": denied,
};

/** Licences, sources and bans. It takes minutes to compile, so it is not installed here: the workflow always runs it. */
async function denied() {
  if (!(await ask("cargo", ["deny", "--version"]))) {
    console.log("  skipped, it is not installed (cargo install cargo-deny); the GitHub workflow runs it");
    return;
  }
  await run("cargo", ["deny", "check", "bans", "licenses", "sources"]);
}

await main(async () => {
  await setup({ lint: true });
  // The types of the package and of what imports it come from its bindings.
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
    throw new Stop(`lint failed: ${failed.join(", ")}\n  npm run format mends what can be mended by itself`);
  console.log(`\n✓ lint passed (${seconds(Date.now() - startMs)})`);
});
