// Measures receiving over real sockets: the peers of `receive` from an echo of their frames, and
// our client from the real hub.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { threadClock, withPage } from "../browser.mjs";
import { buildPage, contest } from "../contest.mjs";
import { median, table } from "../stats.mjs";
import { support } from "../support.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));

const cases = [
  { name: "60 B, 1 a frame", payloadBytes: 60, perFrame: 1 },
  { name: "60 B, 64 a frame", payloadBytes: 60, perFrame: 64 },
];

/**
 * How many messages the hub has before the subscription. Chosen: fewer than it retains by default.
 */
const retained = 1_000;
const replaysUsual = 9;
const topic = "bench/topic-0";

export async function sockets({ rounds, only, executablePath }) {
  const echo = await startEcho();
  const folder = join(dirname(here), "receive");
  try {
    const peers = await contest({
      name: "sockets",
      folder,
      cases,
      rounds,
      only,
      executablePath,
      echoUrl: echo.url,
    });
    return `${peers}\n\n${await replays(executablePath)}`;
  } finally {
    echo.stop();
  }
}

/** Keeps the frames that it receives, and sends them back one by one at "go". */
async function startEcho() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  server.on("connection", (socket) => {
    let frames = [];
    socket.on("message", (data, isBinary) => {
      if (isBinary || String(data) !== "go") {
        frames.push([data, isBinary]);
        return;
      }
      for (const [data, binary] of frames) socket.send(data, { binary });
      frames = [];
    });
  });
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `ws://127.0.0.1:${server.address().port}/`,
    stop: () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/** From `subscribe` to the hub's last message, in frames as the hub makes them. */
async function replays(executablePath) {
  const { Hub } = await support("sockets-support");
  const hub = await Hub.start();
  const folders = { "/": await buildPage("sockets-hub", here), "/longhaul/": join(root, "js/dist") };
  try {
    for (let n = 0; n < retained; n++) await publish(hub.url, n);
    return await withPage({ folders, executablePath }, async (page) => {
      await page.waitForFunction(() => "replay" in globalThis);
      await page.evaluate((url) => globalThis.replay.open(url), hub.url);
      const clock = await threadClock(page);
      const [speeds, cpu, frames] = [[], [], []];
      for (let round = 0; round < replaysUsual; round++) {
        const startMs = await clock();
        const took = await page.evaluate(
          ([topic, count]) => globalThis.replay.run(topic, count),
          [topic, retained],
        );
        cpu.push((await clock()) - startMs);
        speeds.push((retained / took.ms) * 1_000);
        frames.push(took.frames);
      }
      const k = (perSecond) => `${Math.round(perSecond / 1_000)}k`;
      return table(
        [
          "longhaul from the real hub (a development build)",
          "messages/s",
          "min",
          "max",
          "page's CPU ms",
          "a frame",
        ],
        [
          [
            `${retained} messages of 60 B`,
            k(median(speeds)),
            k(Math.min(...speeds)),
            k(Math.max(...speeds)),
            median(cpu).toFixed(1),
            Math.round(retained / median(frames)),
          ],
        ],
      );
    });
  } finally {
    await hub.stop();
  }
}

async function publish(url, n) {
  const response = await fetch(`${url}/v1/topics/${topic}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"n":${String(n).padStart(6, "1")},"text":"${"x".repeat(36)}"}`,
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}
