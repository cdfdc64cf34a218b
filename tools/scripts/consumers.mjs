// npm run consumers: packs the package, and builds and runs an app with each tool that
// docs/bundlers.md names.
//
//   npm run consumers -- "vite 7"     those whose names contain this
//   npm run consumers -- --quick      without the frameworks, which take long to install

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { build, hubPath } from "./build.mjs";
import { isMain, main, root, run, Stop, start, step } from "./lib/run.mjs";
import { findBrowser, setup } from "./setup.mjs";

const folder = join(root, "tests/consumers");
const tarball = join(root, "target/consumers/longhaul-0.1.0.tgz");
const npm = { quiet: true };
const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

/** Installs the tools of a folder as its lock file says, and the packed package. */
async function install(at) {
  const lock = readFileSync(join(at, "package-lock.json"), "utf8");
  const stamp = join(at, "node_modules/.longhaul-lock");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
    await run("npm", ["ci", ...quiet], { cwd: at, ...npm });
    writeFileSync(stamp, lock);
  }
  await run("npm", ["install", "--no-save", ...quiet, tarball], { cwd: at, ...npm });
}

/** Starts the hub, and returns its address and its process. */
async function startHub() {
  const child = start(join(root, hubPath("dev")), ["--memory", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const line = await new Promise((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(String(text)));
    child.once("close", (code) => reject(new Stop(`the hub ended with ${code}`)));
  });
  return { url: /http:\/\/\S+/.exec(line)?.[0], child };
}

export async function consumers({ only = "", areQuick = false } = {}) {
  await build(["js"]);
  await build(["hub"], { profile: "dev" });
  await step("pack the package", async () => {
    await run("mkdir", ["-p", dirname(tarball)]);
    await run("npm", ["pack", "--pack-destination", dirname(tarball)], { cwd: join(root, "js"), ...npm });
  });
  for (const name of ["tools", "react-18"])
    await step(`install tests/consumers/${name}`, () => install(join(folder, name)));
  const modules = ["packing", "tools/bundlers", "pages", "runtimes", "testers", "adapters"];
  if (!areQuick) {
    modules.push("frameworks");
    const { frameworkFolders } = await import("../../tests/consumers/frameworks.mjs");
    for (const at of frameworkFolders) await step(`install ${at.slice(root.length + 1)}`, () => install(at));
  }
  const all = {};
  for (const name of modules) Object.assign(all, (await import(join(folder, `${name}.mjs`))).consumers);
  const chosen = Object.fromEntries(Object.entries(all).filter(([name]) => name.includes(only)));
  if (Object.keys(chosen).length === 0) throw new Stop(`there is no consumer with "${only}" in its name`);
  const { chromium } = await import("@playwright/test");
  const { check } = await import("../../tests/consumers/check.mjs");
  const browser = await chromium.launch({
    executablePath: process.env.LONGHAUL_CHROMIUM || (await findBrowser()),
  });
  const hub = await startHub();
  try {
    const failed = await check(chosen, { browser, hub: hub.url, tarball });
    if (failed.length > 0) throw new Stop(`consumers that failed: ${failed.join(", ")}`);
  } finally {
    hub.child.kill();
    await browser.close();
  }
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { quick: { type: "boolean" } },
    });
    await setup();
    await consumers({ only: positionals[0], areQuick: values.quick });
    // Tools leave processes and timers behind.
    process.exit();
  });
}
