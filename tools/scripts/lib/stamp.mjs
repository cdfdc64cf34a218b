// Skips build steps that are up to date. target/longhaul-stamps.json has a hash of each step's
// inputs.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, step } from "./run.mjs";

const stampFile = join(root, "target", "longhaul-stamps.json");
const skipped = new Set(["node_modules", "dist", "target", "results", ".git"]);

/** Unit tests are beside the modules that they test, and are not built. */
function isSkipped(name) {
  return skipped.has(name) || name.endsWith(".test.ts");
}

function* files(path) {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path).sort()) if (!isSkipped(name)) yield* files(join(path, name));
}

function hashOf(inputs) {
  const hash = createHash("sha256");
  for (const input of inputs) {
    for (const path of files(join(root, input)))
      hash.update(path.slice(root.length)).update("\0").update(readFileSync(path)).update("\0");
  }
  return hash.digest("hex");
}

function stamps() {
  try {
    return JSON.parse(readFileSync(stampFile, "utf8"));
  } catch {
    return {};
  }
}

/**
 * Runs a step unless its outputs exist and its inputs are the ones of its last success. Inputs are
 * files and folders, hashed by content, so a touched file or a switch of branches builds nothing.
 * Returns whether the step ran.
 */
export async function stepIfChanged(name, { inputs, outputs, variant = "", hint }, work) {
  // The hash is made before the work. An edit during the work must build again the next time.
  const hash = `${hashOf(inputs)} ${variant}`.trim();
  if (stamps()[name] === hash && outputs.every((path) => existsSync(join(root, path)))) {
    console.log(`· ${name}: up to date`);
    return false;
  }
  await step(name, work, hint);
  mkdirSync(join(root, "target"), { recursive: true });
  writeFileSync(stampFile, `${JSON.stringify({ ...stamps(), [name]: hash }, null, 2)}\n`);
  return true;
}
