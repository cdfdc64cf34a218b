// Runs programs and prints steps. It uses only Node's own modules, because it runs before npm
// install.

import { spawn } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(import.meta.dirname, "../../..");

/** A failure whose message explains it. It is printed without a stack. */
export class Stop extends Error {}

const children = new Set();
let handled = false;
let ending = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  // No child may outlive the script. `kill` reaches only the script, so it passes the signal on. A
  // terminal sends Ctrl-C to the whole group, and npm once more: only the first signal counts.
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    for (const child of children) child.kill(signal);
    if (!handled) process.exit(signal === "SIGINT" ? 130 : 143);
  });
}
/** From now on the caller ends the process after a signal. */
export function handleSignals() {
  handled = true;
}

/** Starts a program in the repository's root. It gets the signals that this process gets. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
  children.add(child);
  const forget = () => children.delete(child);
  child.once("close", forget).once("error", forget);
  return child;
}

/**
 * Runs a program to its end, and throws a Stop if it fails. `quiet` prints its output only then.
 */
export async function run(command, args, { quiet = false, ...options } = {}) {
  const { code, signal, output } = await new Promise((resolve, reject) => {
    const child = start(command, args, { ...options, stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit" });
    let output = "";
    for (const stream of quiet ? [child.stdout, child.stderr] : [])
      stream.on("data", (data) => (output += data));
    child.once("error", (error) => reject(new Stop(`cannot run ${command}: ${error.message}`)));
    child.once("close", (code, signal) => resolve({ code, signal, output }));
  });
  if (code === 0) return;
  if (quiet) process.stderr.write(output);
  throw new Stop(`${[command, ...args].join(" ")} ended with ${signal ?? `code ${code}`}`);
}

/** The output of a program, or undefined if the program is missing or fails. */
export async function ask(command, args) {
  return new Promise((resolve) => {
    const child = start(command, args, { stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout?.on("data", (data) => (output += data));
    child.once("error", () => resolve(undefined));
    child.once("close", (code) => resolve(code === 0 ? output.trim() : undefined));
  });
}

/** The path of a program on the PATH, or undefined. */
export function which(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}

/** The path of a program that npm has installed: `node_modules/.bin/NAME`. */
export function bin(name) {
  return join(root, "node_modules", ".bin", name);
}

/**
 * Prints the name of a step, runs it, and prints how long it took. `hint` says how long to wait.
 */
export async function step(name, work, hint) {
  console.log(`▸ ${name}${hint ? ` (${hint})` : ""}`);
  const startMs = Date.now();
  const result = await work();
  console.log(`✓ ${name} (${seconds(Date.now() - startMs)})`);
  return result;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Whether node was started with this module. Otherwise another module has imported it. */
export function isMain(url) {
  return process.argv[1] !== undefined && fileURLToPath(url) === realpathSync(process.argv[1]);
}

/**
 * Runs a script's main function. An error ends it with code 1; of a Stop only the message shows.
 */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof Stop ? `\n✗ ${error.message}` : error);
    process.exit(1);
  }
}
