// Running programs and naming steps. Node built-ins only: this runs before npm install has.

import { spawn } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(import.meta.dirname, "../../..");

/** A failure that is explained by its message; no stack is shown for it. */
export class Stop extends Error {}

const children = new Set();
let handled = false;
let ending = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  // A terminal sends Ctrl-C to the whole group and npm passes it on once more, `kill` reaches only us: either way no
  // child may outlive the script, and only the first one counts.
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    for (const child of children) child.kill(signal);
    if (!handled) process.exit(signal === "SIGINT" ? 130 : 143);
  });
}
/** From here on the caller ends the process itself after a signal. */
export function handleSignals() {
  handled = true;
}

/** Starts a program in the repository's root and keeps track of it. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
  children.add(child);
  const forget = () => children.delete(child);
  child.once("close", forget).once("error", forget);
  return child;
}

/** Runs a program to its end. `quiet` shows its output only when it fails. Throws when it fails. */
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

/** What a program prints, or undefined when it is missing or fails. */
export async function ask(command, args) {
  return new Promise((resolve) => {
    const child = start(command, args, { stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout?.on("data", (data) => (output += data));
    child.once("error", () => resolve(undefined));
    child.once("close", (code) => resolve(code === 0 ? output.trim() : undefined));
  });
}

/** The path of a program, or undefined. */
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

/** The path of a program that npm installed, `node_modules/.bin/NAME`. */
export function bin(name) {
  return join(root, "node_modules", ".bin", name);
}

/** Says what begins, and in `hint` how long to wait; runs it; says how long it took. */
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

/** Whether this module is the script that node was started with, rather than imported. */
export function isMain(url) {
  return process.argv[1] !== undefined && fileURLToPath(url) === realpathSync(process.argv[1]);
}

/** Runs a script's main function; a Stop ends it with its message and code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof Stop ? `\n✗ ${error.message}` : error);
    process.exit(1);
  }
}
