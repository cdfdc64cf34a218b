// npm run bench: measures in a real browser, and writes its tables into bench/RESULTS.md. Nothing
// passes or fails.
//
//   npm run bench -- layouts       the data that crosses from JavaScript to wasm for a message
//   npm run bench -- receive       receiving messages, compared with other clients
//   npm run bench -- patches       patches of documents, compared with libraries
//   npm run bench -- sockets       receiving messages over a real socket
//   npm run bench -- resume        reconnecting after missed messages, and memory
//   npm run bench -- outbox        making publications durable, compared with libraries
//   npm run bench -- transports    the time of moves between transports
//   npm run bench -- layouts --rounds 50 --only "60 B, 1 a"
//                                  some cases of a bench; it does not keep their tables

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build, faultProxyPath, hubPath } from "./build.mjs";
import { main, root, Stop, seconds } from "./lib/run.mjs";
import { findBrowser, setup } from "./setup.mjs";

const benches = {
  layouts: async (options) => (await import("../../bench/layouts/run.mjs")).layouts(options),
  receive: async (options) => (await import("../../bench/receive/run.mjs")).receive(options),
  patches: async (options) => (await import("../../bench/patches/run.mjs")).patches(options),
  sockets: async (options) => {
    await buildHub();
    return (await import("../../bench/sockets/run.mjs")).sockets(options);
  },
  resume: async (options) => {
    await buildHub();
    return (await import("../../bench/resume/run.mjs")).resume(options);
  },
  outbox: async (options) => (await import("../../bench/outbox/run.mjs")).outbox(options),
  transports: async (options) => {
    await buildHub();
    return (await import("../../bench/transports/run.mjs")).transports(options);
  },
};
const resultsFile = join(root, "bench/RESULTS.md");

/** Builds the hub and the fault proxy of the tests, and tells the benches where they are. */
async function buildHub() {
  await build(["hub"], { profile: "dev" });
  process.env.LONGHAUL_HUB = join(root, hubPath("dev"));
  process.env.LONGHAUL_FAULTPROXY = join(root, faultProxyPath);
}

/** Replaces the section between a bench's marks. The text around it stays. */
function keep(name, section) {
  const text = readFileSync(resultsFile, "utf8");
  const [begin, end] = [`<!-- ${name}:begin -->\n`, `\n<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Stop(`bench/RESULTS.md has no marks for ${name}`);
  writeFileSync(resultsFile, text.slice(0, from + begin.length) + section + text.slice(to));
}

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      only: { type: "string", default: "" },
    },
  });
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))
    throw new Stop(`--rounds ${values.rounds}: it must be a whole number from 1`);
  const unknown = positionals.find((name) => !(name in benches));
  if (unknown) throw new Stop(`there is no bench ${unknown}; there are ${Object.keys(benches).join(", ")}`);
  const names = positionals.length > 0 ? positionals : Object.keys(benches);
  await setup();
  await build(["js"]);
  const executablePath = process.env.LONGHAUL_CHROMIUM || (await findBrowser());
  for (const name of names) {
    const startMs = Date.now();
    console.log(`▸ bench ${name}`);
    const section = await benches[name]({ rounds, only: values.only, executablePath });
    console.log(`\n${section}\n\n✓ bench ${name} (${seconds(Date.now() - startMs)})`);
    if (values.only === "") keep(name, section);
  }
});
