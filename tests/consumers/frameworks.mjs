// Frameworks, each with an app of its own in frameworks/. Their pages are also rendered on a
// server, where a client at the top of a module does nothing.

import { spawn } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** Several frameworks need a later version of Node than this project. */
const node22 = join(here, "tools/node_modules/node-22/bin/node");

function start(folder, script, args, env = {}) {
  return spawn(
    existsSync(node22) ? node22 : process.execPath,
    [join(folder, "node_modules", script), ...args],
    {
      cwd: folder,
      env: { ...process.env, NODE_ENV: "production", CI: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}

/** Runs a script of a package to its end. */
function run(...call) {
  return new Promise((resolve, reject) => {
    const child = start(...call);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => {
        output += text;
      });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${call[1]} ended with ${signal ?? code}: ${output.slice(-2_000)}`));
    });
  });
}

/** Starts a server and waits for the address that it prints. */
async function serve(...call) {
  const child = start(...call);
  const url = await new Promise((resolve, reject) => {
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
      const found = /http:\/\/(?:localhost|127\.0\.0\.1):(\d+)/.exec(output);
      if (found !== null) resolve(`http://127.0.0.1:${found[1]}/`);
    });
    child.once("close", (code) => reject(new Error(`${call[1]} ended with ${code}: ${output}`)));
  });
  const close = () =>
    new Promise((resolve) => {
      child.once("close", resolve);
      child.kill();
    });
  return { url, close };
}

/** The folder of a framework's app, with the part that all consumers share. */
function prepare(name) {
  const folder = join(here, "frameworks", name);
  cpSync(join(here, "app/round-trip.js"), join(folder, "round-trip.js"));
  return folder;
}

const next =
  (...flags) =>
  async ({ hub }) => {
    const folder = prepare("next");
    const env = { NEXT_PUBLIC_HUB: hub, NEXT_TELEMETRY_DISABLED: "1" };
    await run(folder, "next/dist/bin/next", ["build", ...flags], env);
    return serve(folder, "next/dist/bin/next", ["start", "--hostname", "127.0.0.1", "--port", "0"], env);
  };

export const consumers = {
  "Next 16, Turbopack": next(),
  "Next 16, webpack": next("--webpack"),
  "SvelteKit 3": async () => {
    const folder = prepare("sveltekit");
    await run(folder, "vite/bin/vite.js", ["build"]);
    return { folder: join(folder, "build") };
  },
  "Astro 7": async () => {
    const folder = prepare("astro");
    await run(folder, "astro/bin/astro.mjs", ["build"], { ASTRO_TELEMETRY_DISABLED: "1" });
    return { folder: join(folder, "dist") };
  },
  "Angular 22": async () => {
    const folder = prepare("angular");
    await run(folder, "@angular/cli/bin/ng.js", ["build"]);
    return { folder: join(folder, "dist") };
  },
};

export const frameworkFolders = ["next", "sveltekit", "astro", "angular"].map((name) =>
  join(here, "frameworks", name),
);
