// npm start: installs what it needs, builds changed parts, runs the hub with the demo, and prints
// its URL. Ctrl-C stops it.
//
//   LONGHAUL_LISTEN=ADDRESS:PORT    the hub's address. The default is 127.0.0.1:4400, or a free
//                                   port if that one is taken.

import { createServer } from "node:net";
import { build, hubPath } from "./build.mjs";
import { startHub } from "./lib/hub.mjs";
import { handleSignals, main, Stop } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

const defaultPort = 4400;
/** The hub's time for its drain, ms, before it is killed. Chosen: a drain is shorter. */
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
  console.log(`  port ${defaultPort} is taken, so the hub takes a free one`);
  return "127.0.0.1:0";
}

/** Runs the hub until a signal arrives. Every other end is a failure. */
async function runHub() {
  handleSignals();
  const hub = startHub(hubPath("release"), await address());
  let stopping = false;
  // lib/run.mjs passes the signal on to the hub. This limits how long the hub may take.
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
  if (!stopping)
    await hub.ready.then(() => Promise.reject(new Stop(`the hub stopped by itself with ${how}`)));
}

await main(async () => {
  await setup();
  await build(["js", "www", "hub"]);
  await runHub();
  process.exit(0);
});
