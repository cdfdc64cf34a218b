// The page's side of the bench of outboxes: one peer at a time, from an empty database to an empty
// database.

import { dexie } from "./peers/dexie.js";
import { handwritten, handwrittenStrict } from "./peers/handwritten.js";
import { idb } from "./peers/idb.js";
import { localForage } from "./peers/localforage.js";
import { longhaul } from "./peers/longhaul.js";
import { workbox } from "./peers/workbox.js";
import type { Peer, Row } from "./queue.js";

const peers: readonly Peer[] = [handwritten, handwrittenStrict, idb, dexie, localForage, workbox, longhaul];

/** Rows a second. */
interface Speeds {
  oneByOne: number;
  overlapping: number;
  drain: number;
}

declare global {
  var outbox: unknown;
}

let made = 0;

/** 60 bytes of JSON. */
function row(): Row {
  const data = { n: ++made, x: (made * 7919) % 99_991, tag: "" };
  data.tag = "abcdefghij".repeat(6).slice(0, 60 - JSON.stringify(data).length);
  return { topic: "bench/topic-0", data, createdAtMs: Date.now() };
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (count / (performance.now() - startMs)) * 1_000;
}

/** The functions that bench/outbox/run.mjs calls. */
globalThis.outbox = {
  peers: peers.map(({ name }) => name),

  async measure(name: string, oneByOne: number, overlapping: number): Promise<Speeds> {
    const peer = peers.find((peer) => peer.name === name);
    if (peer === undefined) throw new Error(`there is no peer ${name}`);
    const database = `bench-${++made}`;
    const queue = await peer.open(database);
    const [single, together] = [oneByOne, overlapping].map((count) => Array.from({ length: count }, row));
    if (single === undefined || together === undefined) throw new Error("no rows");
    const sent: number[] = [];
    const speeds = {
      oneByOne: await perSecond(oneByOne, async () => {
        for (const row of single) await queue.add(row);
      }),
      overlapping: await perSecond(overlapping, () => Promise.all(together.map((row) => queue.add(row)))),
      drain: await perSecond(oneByOne + overlapping, () => queue.drain(({ data }) => sent.push(data.n))),
    };
    const expected = [...single, ...together].map(({ data }) => data.n);
    if (sent.length !== expected.length || sent.some((n, i) => n !== expected[i]))
      throw new Error(`${name} sent ${sent.length} of ${expected.length} rows, or in another order`);
    await queue.drain(() => {
      throw new Error(`${name} has rows after its drain`);
    });
    await queue.close();
    indexedDB.deleteDatabase(database);
    return speeds;
  },
};
