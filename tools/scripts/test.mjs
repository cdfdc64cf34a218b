// npm test: installs what the tests need, builds changed parts, runs every stage, and
// says which ones failed.
//
//   npm test -- --only STAGE ARGUMENTS    one stage; its program gets the arguments
//   npm test -- --only e2e -g "two pages"
//   LONGHAUL_KILLS=1000 LONGHAUL_SEED=7 npm test -- --only kills
//
// The stages are the keys of `stages`.

import { join } from "node:path";
import { build, faultProxyPath, hubPath, plainDist } from "./build.mjs";
import { consumers } from "./consumers.mjs";
import { bin, main, root, run, Stop, seconds, step } from "./lib/run.mjs";
import { programs } from "./programs.mjs";
import { findBrowser, findOtherBrowsers, findProxies, setup } from "./setup.mjs";

/** The number of programs in Node. Chosen: in 2,000 each call meets each fault. */
const programsCount = 2_000;

const stages = {
  rust: (rest) => run("cargo", ["test", "--workspace", "--no-fail-fast", ...rest]),
  // It checks its own coverage as well: fewer than a thousand seeds do not meet every fault.
  sim: (rest) => run("cargo", ["run", "-q", "-p", "longhaul-sim", "--", "--seeds", "10000", ...rest]),
  types: (rest) => run(bin("tsc"), ["-p", "tests", ...rest]),
  // The tests of js/src in Node, with their coverage.
  unit: (rest) => run(bin("vitest"), ["run", "--coverage", ...rest], { cwd: join(root, "js") }),
  // A client written from docs/protocol.md alone, against the hub: is the page complete and right?
  protocol: async (rest) => {
    const env = { ...process.env, LONGHAUL_HUB: await hub() };
    await run("node", ["--test", ...rest, "tests/protocol/protocol.test.mjs"], { env });
  },
  // The examples of docs/testing-your-app.md. Vitest and Jest find the package in different ways.
  apps: async (rest) => {
    const cwd = join(root, "tests/apps");
    await run(bin("vitest"), ["run", ...rest], { cwd });
    const env = { ...process.env, NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };
    await run(bin("jest"), rest, { cwd, env });
  },
  // An app with each bundler, runtime and test runner. Frameworks: npm run consumers.
  consumers: async (rest) => consumers({ only: rest[0], areQuick: true }),
  // Random programs in Node, and 200 more in Chromium against the real hub.
  programs: (rest) => programs(rest.length > 0 ? rest : ["1", "--count", String(programsCount)]),
  "programs-chromium": async (rest) => playwright(["-c", "programs.config.ts", ...rest], await chromium()),
  e2e: async (rest) => playwright(rest, await chromium()),
  // Some end-to-end tests on the package of `npm run build -- --plain`.
  plain: async (rest) => {
    await build(["js"], { plain: true });
    const env = { ...(await chromium()), LONGHAUL_DIST: plainDist };
    await playwright(["--grep", "@plain", ...rest], env);
  },
  // Firefox and WebKitGTK, which Playwright can't drive, by WebDriver.
  browsers: async (rest) => playwright(["-c", "browsers.config.ts", ...rest], await findOtherBrowsers()),
  // A Chromium that is killed a hundred times.
  kills: async (rest) => playwright(["-c", "kills.config.ts", ...rest], await chromium()),
};

async function chromium() {
  return { LONGHAUL_CHROMIUM: (await findBrowser()) ?? "" };
}

/** Builds the hub of the tests and returns its path. */
async function hub() {
  await build(["hub"], { profile: "dev" });
  return join(root, hubPath("dev"));
}

/** `settings` are variables of the environment, such as the paths of browsers. */
async function playwright(args, settings) {
  const env = {
    ...process.env,
    LONGHAUL_HUB: await hub(),
    LONGHAUL_FAULTPROXY: join(root, faultProxyPath),
    ...settings,
  };
  await run(bin("playwright"), ["test", ...args], { cwd: join(root, "tests"), env });
}

await main(async () => {
  const [flag, only, ...rest] = process.argv.slice(2);
  if (flag && (flag !== "--only" || !(only in stages))) {
    throw new Stop(`usage: npm test -- --only ${Object.keys(stages).join("|")} [ARGUMENTS]`);
  }
  const names = flag ? [only] : Object.keys(stages);
  await setup();
  if (["programs-chromium", "e2e", "plain", "kills", "consumers"].some((name) => names.includes(name)))
    await findBrowser();
  if (names.includes("e2e")) await findProxies();
  if (names.includes("browsers")) await findOtherBrowsers();
  if (names.includes("e2e")) await build(["js", "www", "examples"]);
  else if (
    ["types", "unit", "apps", "programs", "programs-chromium", "browsers", "kills"].some((name) =>
      names.includes(name),
    )
  )
    await build(["js"]);

  const results = [];
  for (const name of names) {
    const startMs = Date.now();
    // Every stage runs, even after a failure, so that one run shows every fault.
    const error = await step(`test: ${name}`, () => stages[name](rest)).then(
      () => undefined,
      (error) => error,
    );
    if (error) console.error(error instanceof Stop ? `✗ ${error.message}` : error);
    results.push({ name, error, ms: Date.now() - startMs });
  }

  console.log("");
  for (const { name, error, ms } of results)
    console.log(`${error ? "✗ failed" : "✓ passed"}  ${name.padEnd(17)} ${seconds(ms)}`);
  if (results.some(({ error }) => error)) process.exit(1);
});
