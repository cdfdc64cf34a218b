// A page that saves a row and can't send it: only its service worker can.

import { connect } from "longhaul";

globalThis.WebSocket = class extends EventTarget {
  readyState = 0;
  send() {}
  close() {}
};

const hub = new URLSearchParams(location.search).get("hub");
globalThis.topicName = `w${Math.random().toString(36).slice(2)}`;

async function run() {
  const worker = document.querySelector("meta[name=worker]");
  await navigator.serviceWorker.register(worker.content, { type: worker.dataset.type });
  await navigator.serviceWorker.ready;
  const client = connect(hub, { transports: ["websocket"] });
  const receipt = await client.topic(globalThis.topicName).publish({ n: 1 });
  receipt.acked.catch(() => {});
  await client.close();
  return { isDurable: receipt.durable };
}

globalThis.result = await run().catch((error) => ({ error: String(error) }));
