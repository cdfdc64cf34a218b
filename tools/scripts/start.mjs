// npm start: sets up, builds what changed, runs the hub with the demo, prints its URL, ends with Ctrl-C.
//
//   LONGHAUL_LISTEN=ADDRESS:PORT   where to listen; without it 127.0.0.1:4400, or a free port when that one is taken

import { createServer } from "node:net";
import { build, hubPath } from "./build.mjs";
import { startHub } from "./lib/hub.mjs";
import { handleSignals, main, Stop } from "./lib/run.mjs";
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
  handleSignals();
  const hub = startHub(hubPath("release"), await address());
  let stopping = false;
  // The signal itself is passed on by lib/run.mjs; here it is only waited for, and not for ever.
  const stop = () => {
    stopping = true;
    setTimeout(() => hub.child.kill("SIGKILL"), stopMs).unref();
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);

  hub.ready.then(
    (url) => console.log(`\nThe demo is on ${url} (Ctrl-C stops it)`),
    () => {},
  );
  const how = await hub.ended;
  if (!stopping) await hub.ready.then(() => Promise.reject(new Stop(`the hub ended by itself with ${how}`)));
}

await main(async () => {
  await setup();
  await build(["js", "www", "hub"]);
  await runHub();
  process.exit(0);
});
