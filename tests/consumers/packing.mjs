// The packed package itself: what tools say about its entries and its types.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runScript } from "./run.mjs";

const run = (script, ...args) => runScript(script, args);

/** An app in TypeScript with every entry, for a compiler that also checks the package's types. */
const app = `
import { connect, type Document } from "longhaul";
import { connect as connectInline } from "longhaul/inline";
import { installOutbox } from "longhaul/service-worker";
import { signed } from "longhaul/signatures";
import { createTestHub } from "longhaul/testing";
import { longhaul } from "longhaul/vite";

const client = connect("https://hub.test", { wasm: Promise.resolve("/longhaul_bg.wasm") });
const list: Document<{ n: number }> = client.document("list");
export const all = [list, connectInline, installOutbox, signed, createTestHub, longhaul().name];
`;

export const consumers = {
  publint: ({ tarball }) => run("publint/src/cli.js", "run", tarball, "--strict"),
  // A service worker and the configuration of Vite are ES modules, and nothing requires them.
  "are the types wrong": ({ tarball }) =>
    run("@arethetypeswrong/cli/dist/index.js", tarball, "--ignore-rules", "cjs-resolves-to-esm"),
  ...Object.fromEntries(
    [
      ["bundler", "esnext"],
      ["node16", "node16"],
    ].map(([resolution, module]) => [
      `TypeScript, ${resolution}, ES2022, all libraries checked`,
      ({ app: folder }) => {
        const file = join(folder, "app.mts");
        writeFileSync(file, app);
        const options = ["--noEmit", "--strict", "--skipLibCheck", "false"];
        const target = ["--target", "es2022", "--lib", "es2022,dom", "--module", module];
        return run("typescript/bin/tsc", ...options, ...target, "--moduleResolution", resolution, file);
      },
    ]),
  ),
};
