// An app's own service worker with the outbox in it. It reports its events to the page, and a test
// can stop it at any step of its work. Its query removes APIs that some browsers lack.

const lacks = new URL(location.href).searchParams.getAll("without");
if (lacks.includes("locks")) Object.defineProperty(navigator, "locks", { value: undefined });
if (lacks.includes("patience")) {
  // The tabs are local, so they get a fraction of the time to answer.
  const doSetTimeout = globalThis.setTimeout;
  globalThis.setTimeout = (act, ms) => doSetTimeout(act, ms === 5_000 ? 300 : ms);
}

const channel = new BroadcastChannel("worker");

const { waitUntil } = ExtendableEvent.prototype;
ExtendableEvent.prototype.waitUntil = function (work) {
  const { type, tag } = this;
  const report = (outcome) => channel.postMessage({ type, tag, outcome });
  Promise.resolve(work).then(
    () => report("done"),
    (error) => report(error.code ?? String(error)),
  );
  waitUntil.call(this, work);
};

/** How many steps the outbox may still make. Later steps have no effect. */
let stepsLeft = Number.POSITIVE_INFINITY;

function mayStep(step) {
  stepsLeft--;
  if (stepsLeft === 0) channel.postMessage({ type: "stopped", outcome: step });
  return stepsLeft > 0;
}

const forEver = new Promise(() => {});
const doFetch = globalThis.fetch;
globalThis.fetch = async (url, init) => {
  const { pathname } = new URL(url, location.href);
  // Polls run beside the work and change no row.
  if (pathname === "/v1/poll") return stepsLeft > 0 ? doFetch(url, init) : forEver;
  if (!mayStep(`asks ${pathname}`)) return forEver;
  channel.postMessage({ type: "fetch", outcome: pathname });
  const answer = await doFetch(url, init);
  return mayStep(`was answered by ${pathname}`) ? answer : forEver;
};

const { transaction } = IDBDatabase.prototype;
IDBDatabase.prototype.transaction = function (...args) {
  if (!mayStep("begins a transaction")) throw new Error("stopped");
  const begun = transaction.apply(this, args);
  begun.addEventListener("complete", (event) => {
    if (!mayStep("has a transaction complete")) event.stopImmediatePropagation();
  });
  return begun;
};

for (const method of ["add", "put", "delete"]) {
  const act = IDBObjectStore.prototype[method];
  IDBObjectStore.prototype[method] = function (...args) {
    if (mayStep(`will ${method}`)) return act.apply(this, args);
    this.transaction.abort();
    throw new Error("stopped");
  };
}

// The app's own listeners follow.
addEventListener("sync", (event) => {
  if (event.tag === "app-queue") event.waitUntil(Promise.resolve());
});
addEventListener("message", ({ data }) => {
  if (data.steps !== undefined) stepsLeft = data.steps ?? Number.POSITIVE_INFINITY;
  if (data.upgrade !== undefined) {
    // A later version of the package does the same.
    const request = indexedDB.open("longhaul", data.upgrade);
    request.onsuccess = () => {
      request.result.close();
      channel.postMessage({ type: "upgrade", outcome: "done" });
    };
  }
  if (data.steps !== undefined) channel.postMessage({ type: "steps", outcome: "set" });
});

importScripts("/longhaul/service-worker.js");
longhaul.installOutbox({ wasm: "/longhaul/longhaul_bg.wasm" });
