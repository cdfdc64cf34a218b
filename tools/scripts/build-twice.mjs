// npm run build:twice: builds the package in two folders with two homes of cargo, and fails if a
// byte differs. It takes some minutes, so the GitHub workflow runs it and `npm test` does not.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { main, root, run, Stop, step } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

/** Folders of different lengths, because lengths of paths are a part of some hashes. */
const names = ["a", "another-folder/of-the-same-commit"];

const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");

/** Builds the files that git tracks in a folder, and returns a hash of each file of the package. */
async function buildIn(folder) {
  const clone = join(folder, "longhaul");
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
  for (const file of files.filter((path) => path && existsSync(join(root, path)))) {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    cpSync(join(root, file), join(clone, file), { verbatimSymlinks: true });
  }
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  // A home of its own that shares the downloads: rustc sees other paths of the same crates.
  const home = join(folder, "cargo-home");
  mkdirSync(home, { recursive: true });
  mkdirSync(join(cargoHome, "registry"), { recursive: true });
  symlinkSync(join(cargoHome, "registry"), join(home, "registry"));
  const env = { ...process.env, CARGO_HOME: home };
  delete env.CARGO_TARGET_DIR;
  await run("node", ["tools/scripts/build.mjs", "--only", "js"], { cwd: clone, env });
  const dist = join(clone, "js/dist");
  return new Map(
    readdirSync(dist)
      .sort()
      .map((file) => [
        file,
        createHash("sha256")
          .update(readFileSync(join(dist, file)))
          .digest("hex"),
      ]),
  );
}

await main(async () => {
  await setup();
  const work = mkdtempSync(join(tmpdir(), "longhaul-twice-"));
  try {
    const hashes = [];
    for (const name of names)
      hashes.push(await step(`build in ${name}`, () => buildIn(join(work, name)), "some minutes"));
    const [first, second] = hashes;
    const files = new Set([...first.keys(), ...second.keys()]);
    const differing = [...files].filter((file) => first.get(file) !== second.get(file));
    if (differing.length > 0)
      throw new Stop(
        `two folders give two packages: ${differing.join(", ")} differ.\n  Look for a path or a hash of a path: remapPaths in tools/scripts/lib/wasm.mjs keeps paths out.`,
      );
    console.log(`✓ ${files.size} files are the same in both folders`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
