// Test runners, with the environments that they offer.

import { join } from "node:path";
import { runScript, tools } from "./run.mjs";

const run = (script, args, options) => () =>
  runScript(script, args, {
    cwd: join(tools, "testers"),
    env: { ...process.env, NODE_OPTIONS: options ?? "", CI: "1" },
  });

const vitest = (environment) =>
  run("vitest/vitest.mjs", ["run", "--globals", "--environment", environment, "note.test.mjs"]);
const jest = (environment, test, options) =>
  run("jest/bin/jest.js", ["--config", "jest.config.json", "--env", environment, test], options);
const modules = "--experimental-vm-modules --no-warnings";

export const consumers = {
  "Vitest, node": vitest("node"),
  "Vitest, jsdom": vitest("jsdom"),
  "Vitest, happy-dom": vitest("happy-dom"),
  "Jest, ES modules, node": jest("node", "note.test.mjs", modules),
  "Jest, ES modules, jsdom with fetch": jest("./jsdom-with-fetch.cjs", "note.test.mjs", modules),
  "Jest, CommonJS, node": jest("node", "note.test.cjs"),
  "Jest, CommonJS, jsdom with fetch": jest("./jsdom-with-fetch.cjs", "note.test.cjs"),
  "Jest, ES modules, jsdom, the import alone": jest("jsdom", "import.test.mjs", modules),
  "Jest, CommonJS, jsdom, the import alone": jest("jsdom", "import.test.cjs"),
};
