// npm test: sets up (a browser and proxies included), builds what changed, runs everything, says what failed.
//
//   npm test -- --only rust|sim|types|unit|protocol|apps|programs|programs-chromium|e2e|browsers|kills      one stage; the rest of the line goes to its program:
//   npm test -- --only e2e -g "two pages"
//   LONGHAUL_KILLS=1000 LONGHAUL_SEED=7 npm test -- --only kills

import { join } from "node:path";
import { build, faultProxyPath, hubPath } from "./build.mjs";
import { bin, main, root, run, Stop, seconds, step } from "./lib/run.mjs";
import { programs } from "./programs.mjs";
import { findBrowser, findOtherBrowsers, findProxies, setup } from "./setup.mjs";

/** Programs in Node in one run of all tests. Chosen: in so many each call meets each fault. */
const programsCount = 2_000;

const stages = {
  rust: (rest) => run("cargo", ["test", "--workspace", "--no-fail-fast", ...rest]),
  // Its coverage is part of what it must show: fewer seeds than a thousand would not meet every fault.
  sim: (rest) => run("cargo", ["run", "-q", "-p", "longhaul-sim", "--", "--seeds", "10000", ...rest]),
  types: (rest) => run(bin("tsc"), ["-p", "tests", ...rest]),
  // Those of js/src in Node, and how much of it they run.
  unit: (rest) => run(bin("vitest"), ["run", "--coverage", ...rest], { cwd: join(root, "js") }),
  // A client written from docs/protocol.md alone, against the hub: whether the page is enough, and right.
  protocol: async (rest) => {
    const env = { ...process.env, LONGHAUL_HUB: await hub() };
    await run("node", ["--test", ...rest, "tests/protocol/protocol.test.mjs"], { env });
  },
  // What docs/testing-your-app.md shows, on the built package: Vitest's and Jest's ways to find it differ.
  apps: async (rest) => {
    const cwd = join(root, "tests/apps");
    await run(bin("vitest"), ["run", ...rest], { cwd });
    const env = { ...process.env, NODE_OPTIONS: "--experimental-vm-modules --no-warnings" };
    await run(bin("jest"), rest, { cwd, env });
  },
  // Random ones in Node, 200 more in Chromium against the real hub.
  programs: (rest) => programs(rest.length > 0 ? rest : ["1", "--count", String(programsCount)]),
  "programs-chromium": async (rest) => playwright(["-c", "programs.config.ts", ...rest], await chromium()),
  e2e: async (rest) => playwright(rest, await chromium()),
  // Those that Playwright can't drive: Firefox and WebKitGTK, by WebDriver.
  browsers: async (rest) => playwright(["-c", "browsers.config.ts", ...rest], await findOtherBrowsers()),
  // A browser that is killed a hundred times.
  kills: async (rest) => playwright(["-c", "kills.config.ts", ...rest], await chromium()),
};

async function chromium() {
  return { LONGHAUL_CHROMIUM: (await findBrowser()) ?? "" };
}

/** Builds the hub of the tests, and says where it is. */
async function hub() {
  await build(["hub"], { profile: "dev" });
  return join(root, hubPath("dev"));
}

async function playwright(args, browsers) {
  const env = {
    ...process.env,
    LONGHAUL_HUB: await hub(),
    LONGHAUL_FAULTPROXY: join(root, faultProxyPath),
    ...browsers,
  };
  await run(bin("playwright"), ["test", ...args], { cwd: join(root, "tests"), env });
}

await main(async () => {
  const [flag, only, ...rest] = process.argv.slice(2);
  if (flag && (flag !== "--only" || !(only in stages))) {
    throw new Stop(`usage: npm test -- --only ${Object.keys(stages).join("|")} [arguments of its program]`);
  }
  const names = flag ? [only] : Object.keys(stages);
  await setup();
  if (["programs-chromium", "e2e", "kills"].some((name) => names.includes(name))) await findBrowser();
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
    // Every stage runs, whatever the one before it said: one run tells all that is wrong.
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
