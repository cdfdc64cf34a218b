// Runs a script of a package that the consumers install.

import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const tools = join(dirname(fileURLToPath(import.meta.url)), "tools");

/** Runs a script to its end. Returns whether it ended well, and its output. */
export function runScript(script, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(tools, "node_modules", script), ...args], {
      cwd: tools,
      timeout: 120_000,
      ...options,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => {
        output += text;
      });
    child.once("error", reject);
    child.once("close", (code) => resolve({ isFine: code === 0, result: output }));
  });
}
