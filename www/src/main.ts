// Assembles the page: one client, two topics, a document, and the panels that show them.

import { connect, type Gap, type LonghaulError, type Status } from "longhaul";
import "./style.css";
import { createBoard } from "./board";
import { createHostCharts } from "./charts";
import { createHubClock, everyTick } from "./clock";
import { createConnectionPanel } from "./connection";
import { createDeck } from "./deck";
import { byId } from "./dom";
import { createFlight } from "./flight";
import { describeGap } from "./format";
import { isHostFigures } from "./host";
import { installLine } from "./line";
import { createEventLog } from "./log";
import { showMetrics } from "./metrics";
import { createMoveWatch } from "./moves";
import { createOutageWatch } from "./outage";
import { createOutbox } from "./outbox";
import { createSwitches } from "./switches";
import { createTheme } from "./theme";
import { createTimeline } from "./timeline";
import { transports, transportWords } from "./transports";
import { createWhy } from "./why";
import { failure } from "./words";

const line = installLine();
const flight = createFlight();
if (flight.wasOn) line.cut();
const log = createEventLog();
const timeline = createTimeline();
const hubClock = createHubClock();
const theme = createTheme(byId("theme", HTMLButtonElement));
const charts = createHostCharts(theme, timeline, hubClock);

const client = connect(import.meta.env.VITE_HUB_URL ?? location.origin, {
  // For the spectators: it notices a loss sooner and waits less than an app would.
  heartbeat: { intervalMs: 5000, timeoutMs: 3000 },
  backoff: { capMs: 5000 },
  onError: (error: LonghaulError) => log.add("error", error.message, error.code),
});
if (import.meta.env.PROD) {
  navigator.serviceWorker?.register("/sw.js", { type: "module" }).catch((error: unknown) => {
    log.add("error", `No service worker: ${String(error)}`);
  });
}
if (flight.wasOn) log.add("cut", "The line is still cut, as it was before the reload.");
const panel = createConnectionPanel(client, line, (isCut) => {
  flight.set(isCut);
  timeline.mark(isCut ? "cut" : "goon");
  log.add("cut", isCut ? "You cut the line, below the client." : "You restored the line.");
});
const switches = createSwitches(client, line, (transport, isBlocked) => {
  const name = transportWords[transport];
  if (isBlocked) log.add("blocked", `You block ${name}, below the client.`);
  else log.add("through", `You unblocked ${name}.`);
});
createWhy(client);
const outages = createOutageWatch(hubClock, (text) => {
  panel.tellRecovery(text);
  log.add("connected", text);
});
const moves = createMoveWatch(client, {
  onMoved: (text, code) => log.add("moved", text, code),
  onBack(text) {
    panel.tellRecovery(text);
    log.add("back", text);
  },
});

const outbox = createOutbox(client, (text, code) => log.add("error", text, code));
const board = createBoard(client, "demo/board", {
  onReceipt: (receipt) => outbox.sawReceipt(receipt),
  onUnreadable: (seq) => log.add("error", `Message ${seq} of demo/board is not a note; it isn't shown.`),
  onError: (text) => log.add("error", text),
});
// What an earlier visit wrote waits in the outbox.
void client.outbox.rows().then(
  (rows) => board.restore(rows),
  () => {},
);
client.topic("demo/board").subscribe(
  (message) => {
    outages.sawMessage(message.publishedAtMs);
    panel.sawSeq("board", message.seq);
    board.show(message);
  },
  {
    from: "start",
    onGap: (gap) => {
      sawGap("demo/board", gap);
      board.gap(describeGap(gap));
    },
  },
);
client.topic("demo/host").subscribe(
  (message) => {
    hubClock.learn(message.publishedAtMs);
    outages.sawMessage(message.publishedAtMs);
    panel.sawSeq("host", message.seq);
    const { data } = message;
    if (isHostFigures(data)) charts.push({ ...message, data });
    else log.add("error", `Message ${message.seq} of demo/host has no figures in it; it isn't drawn.`);
  },
  {
    from: "start",
    onGap: (gap) => {
      sawGap("demo/host", gap);
      charts.gap();
    },
  },
);

createDeck(client, "demo/cards", (text, code) => log.add("error", text, code));

function sawGap(topic: string, gap: Gap): void {
  outages.sawGap();
  timeline.mark("gap");
  log.add("gap", `Gap in ${topic}: ${describeGap(gap)}.`, gap.reason);
}

let wasConnected = false;

function sawStatus(status: Status): void {
  timeline.record(status);
  outages.sawStatus(status.state);
  moves.sawStatus(status);
  if ("reason" in status) log.add(status.state, failure(status), status.reason.code);
  if (status.state === "connected" && !wasConnected) {
    wasConnected = true;
    log.add("connected", `Connected to the hub over ${transportWords[status.transport]}.`);
  }
}

client.on("status", sawStatus);
sawStatus(client.status);

const refreshMetrics = showMetrics(client);
everyTick((nowMs) => {
  panel.draw(nowMs);
  switches.draw();
  timeline.block(line.isCut ? transports : line.blocked);
  timeline.draw(nowMs);
  charts.draw();
  outages.draw(nowMs);
  moves.draw(nowMs);
  outbox.draw(nowMs);
  refreshMetrics(nowMs);
});
