// Runtimes without a page. A server renders pages: there the client does nothing. With the option
// `runOnServer` it works, with an outbox in memory.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const tools = join(here, "tools/node_modules");

/** The programs, by the packages that have them. Those exist for one platform: x64 Linux. */
const programs = {
  "Node 20 or this one": [process.execPath],
  "Node 22": [join(tools, "node-22/bin/node")],
  "Node 24": [join(tools, "node-24/bin/node")],
  Deno: [join(tools, "@deno/linux-x64-glibc/deno"), "run", "--allow-all"],
  Bun: [join(tools, "@oven/bun-linux-x64/bin/bun")],
};

/** Runs a script to its end, and returns its last line as JSON. */
function run([command, ...args], script, hub) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args, join(here, "tools/runtimes", script), hub], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 60_000,
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => {
      out += text;
    });
    child.stderr.on("data", (text) => {
      err += text;
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code !== 0 || err !== "") reject(new Error(`ended with ${signal ?? code}: ${err || out}`));
      else resolve(JSON.parse(out.trim().split("\n").at(-1)));
    });
  });
}

const expected = {
  server: { state: "connecting", code: "not_on_server" },
  client: { got: { n: 1 }, isDurable: false, value: { n: 2 }, errors: [] },
};

export const consumers = Object.fromEntries(
  Object.entries(programs).flatMap(([name, program]) =>
    ["import.mjs", "require.cjs"].map((script) => [
      `${name}, ${script.split(".")[0]}`,
      async ({ hub }) => {
        if (!existsSync(program[0])) return { skipped: "there is no such program for this platform" };
        const result = await run(program, script, hub);
        return { isFine: JSON.stringify(result) === JSON.stringify(expected), result };
      },
    ]),
  ),
);
