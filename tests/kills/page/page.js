// A page that publishes as the ledger orders and reports the outcomes, until it is killed. Its
// address has the options: `?hub=URL&run=N&tab=a&tabs=ab`, with `&worker` beside a service worker,
// or `?dump` to report the databases.

import { connect } from "longhaul";
import { dump } from "./dump.js";

const asked = new URLSearchParams(location.search);
const report = (what) => fetch("/report", { method: "POST", body: JSON.stringify(what) });
const failed = (error, n) => report({ failed: String(error?.stack ?? error), n });

addEventListener("error", ({ error }) => void failed(error));
addEventListener("unhandledrejection", ({ reason }) => void failed(reason));

if (asked.has("dump")) await report({ dump: await dump() });
else await publish(asked.get("tab"));

async function publish(tab) {
  const next = asked.get("tabs")[asked.get("tabs").indexOf(tab) + 1];
  if (next !== undefined) {
    asked.set("tab", next);
    open(`?${asked}`, "_blank", "noopener");
  }
  if (asked.has("worker")) navigator.serviceWorker.register("/sw.js").catch(failed);
  const client = connect(asked.get("hub"), {
    backoff: { baseMs: 100, capMs: 400 },
    onError: (error) => failed(error),
  });
  for (;;) {
    const answer = await fetch(`/work?run=${asked.get("run")}&tab=${tab}`);
    const { orders, until } = await answer.json();
    if (until === "flushed") return flush(client);
    const calls = orders.map(({ n, topic }) => order(client, n, topic));
    if (until !== "called") await Promise.all(calls.map(({ accepted }) => accepted));
    if (until === "acked") await Promise.all(calls.map(({ acked }) => acked));
  }
}

/** Reports when all rows of the outbox have their outcome. */
async function flush(client) {
  while (client.status.state !== "connected") await new Promise((resolve) => client.on("status", resolve));
  await client.outbox.flush();
  await report({ flushed: true });
}

/** Publishes one message, and reports its receipt and its outcome. */
function order(client, n, topic) {
  const accepted = client.topic(topic).publish({ mark: n });
  const acked = accepted.then((receipt) => receipt.acked);
  accepted.then(({ durable, deferred }) => report({ n, durable, deferred }));
  acked.then(({ seq }) => report({ n, seq })).catch((error) => failed(error, n));
  return { accepted, acked };
}
