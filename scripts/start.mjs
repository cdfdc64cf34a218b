// npm start: sets up, builds what changed, runs the hub with the demo, prints its URL, ends with Ctrl-C.
//
//   LONGHAUL_LISTEN=ADDRESS:PORT   where to listen; without it 127.0.0.1:4400, or a free port when that one is taken

import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { build, hubPath } from "./build.mjs";
import { handleSignals, main, Stop, start } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

const defaultPort = 4400;
/** How long the hub may take to say goodbye before it is killed. Chosen: its own drain is shorter. */
const stopMs = 10_000;

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

async function address() {
  if (process.env.LONGHAUL_LISTEN) return process.env.LONGHAUL_LISTEN;
  if (await isFree(defaultPort)) return `127.0.0.1:${defaultPort}`;
  console.log(`  port ${defaultPort} is taken, another one is chosen`);
  return "127.0.0.1:0";
}

/** Runs the hub until a signal comes; anything else that ends it is a failure. */
async function runHub() {
  const listen = await address();
  const hub = start(hubPath("release"), ["--memory", "--demo", "--static", "www/dist", "--listen", listen], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  handleSignals();
  let stopping = false;
  let patience;
  // start() passes the signal on; this only waits, and not for ever.
  const stop = () => {
    if (stopping) return;
    stopping = true;
    patience = setTimeout(() => hub.kill("SIGKILL"), stopMs);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);

  createInterface({ input: hub.stdout }).on("line", (line) => {
    const url = /ready on (https?:\/\/\S+)/.exec(line)?.[1];
    console.log(url ? `\nThe demo is on ${url} (Ctrl-C stops it)` : line);
  });

  await new Promise((resolve, reject) => {
    hub.once("error", (error) => reject(new Stop(`the hub does not start: ${error.message}`)));
    hub.once("close", (code, signal) => {
      clearTimeout(patience);
      if (stopping) return resolve();
      reject(
        new Stop(`the hub ended by itself with ${signal ?? `code ${code}`}; it was to listen on ${listen}`),
      );
    });
  });
}

await main(async () => {
  await setup();
  await build(["js", "www", "hub"]);
  await runHub();
  process.exit(0);
});
