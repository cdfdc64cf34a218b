// Reads the outbox's storage without the package, and changes it as browsers do.

import type { CDPSession, Page } from "@playwright/test";
import type * as api from "longhaul";
import { expect, type Numbered, quick } from "./fixtures.js";
import { type Hub, hubEntries } from "./hub.js";

/**
 * The n of the stored payloads, in the order of the rows' numbers. Payloads are where the package's
 * row format has them.
 */
export interface Dump {
  rows: number[];
  deadLetters: number[];
}

/** Reads storage of any version, without the package. */
export async function dump(page: Page): Promise<Dump> {
  return page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await done(indexedDB.open("longhaul"));
    try {
      if (!database.objectStoreNames.contains("rows")) return { rows: [], deadLetters: [] };
      const tx = database.transaction(["rows", "packs", "letters"]);
      const read = async <T>(name: string): Promise<[number, T][]> => {
        const table = tx.objectStore(name);
        const [keys, values] = await Promise.all([done(table.getAllKeys()), done(table.getAll())]);
        return keys.map((key, i) => [Number(key), values[i]]);
      };
      type Row = readonly string[];
      const [rows, packs, deadLetters] = await Promise.all([
        read<Row>("rows"),
        read<(Row | undefined)[]>("packs"),
        read<Row>("letters"),
      ]);
      for (const [last, pack] of packs) {
        for (const [i, row] of pack.entries())
          if (row !== undefined) rows.push([last - pack.length + 1 + i, row]);
      }
      const texts = (of: [number, Row][]): number[] =>
        of.sort(([a], [b]) => a - b).map(([, [, , , text = "{}"]]) => JSON.parse(text).n);
      return { rows: texts(rows), deadLetters: texts(deadLetters) };
    } finally {
      database.close();
    }
  });
}

/** All records of an object store, which are arrays. With `change`, each is changed first. */
export async function records(
  page: Page,
  store: "rows" | "packs" | "letters" | "partitions",
  change?: (record: unknown[]) => void,
): Promise<unknown[][]> {
  const access = (puts: [number | string, unknown[]][]): Promise<[number | string, unknown[]][]> =>
    page.evaluate(
      async ([store, puts]) => {
        const done = <T>(request: IDBRequest<T>) =>
          new Promise<T>((resolve, reject) => {
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
          });
        const database = await done(indexedDB.open("longhaul"));
        try {
          const table = database.transaction(store, "readwrite").objectStore(store);
          for (const [key, record] of puts) await done(table.put(record, key));
          const [keys, records] = await Promise.all([done(table.getAllKeys()), done(table.getAll())]);
          return keys.map((key, i): [number | string, unknown[]] => [key as number | string, records[i]]);
        } finally {
          database.close();
        }
      },
      [store, puts] as const,
    );
  const found = await access([]);
  if (change !== undefined) {
    for (const [, record] of found) change(record);
    await access(found);
  }
  return found.map(([, record]) => record);
}

/**
 * Writes a database of schema version 1. It has thirty rows of the outbox `0123456789abcdef`: the
 * seventh has the key "k", and the ninth was sent three times. It also has a dead letter, n = 99.
 */
export async function writeVersion1(page: Page, base: string): Promise<void> {
  await page.evaluate(
    (base) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("longhaul", 1);
        request.onerror = () => reject(request.error);
        request.onupgradeneeded = () => {
          const database = request.result;
          for (const name of ["partitions", "keys", "verdicts", "letters", "documents"])
            database.createObjectStore(name);
          database.createObjectStore("rows", { autoIncrement: true });
        };
        request.onsuccess = () => {
          const database = request.result;
          const tx = database.transaction(["partitions", "rows", "keys", "letters"], "readwrite");
          const partition = `${base} `;
          const now = Date.now();
          const row = (n: number, key?: string, state = 0, attempts = 0) => {
            const text = JSON.stringify({ by: "v1", n });
            const week = now + 7 * 24 * 3_600_000;
            return [partition, "t", 0, text, text.length, now, week, false, key, state, attempts, `tag:${n}`];
          };
          tx.objectStore("partitions").put(["0123456789abcdef", base, "", false, undefined], partition);
          for (let n = 1; n <= 30; n++) {
            if (n === 7) tx.objectStore("rows").add(row(n, "k"));
            else if (n === 9) tx.objectStore("rows").add(row(n, undefined, 1, 3));
            else tx.objectStore("rows").add(row(n));
          }
          tx.objectStore("keys").put(7, [partition, "t", "k"]);
          tx.objectStore("letters").put([...row(99, undefined, 1, 1), "payload_invalid", "not JSON"], 31);
          tx.oncomplete = () => {
            database.close();
            resolve();
          };
          tx.onabort = () => reject(tx.error);
        };
      }),
    base,
  );
}

/** The n of publications in the hub's log, among the rows and among the dead letters (I16). */
export interface Whereabouts extends Dump {
  log: number[];
}

/** Reads log and storage. Fails if the log has a publication twice. */
export async function whereabouts(page: Page, hub: Hub, topic = "t"): Promise<Whereabouts> {
  const entries = await hubEntries<Numbered>(hub, topic).catch((error) => {
    if (String(error).includes("fetch failed")) return [];
    throw error;
  });
  const ids = entries.map(({ id }) => id);
  expect(new Set(ids).size, "an id comes twice").toBe(ids.length);
  return { log: entries.map(({ data }) => data.n), ...(await dump(page)) };
}

/** Waits until log, rows and dead letters are as expected. */
export async function end(page: Page, hub: Hub, expected: Partial<Whereabouts>, topic = "t"): Promise<void> {
  await expect
    .poll(() => whereabouts(page, hub, topic), { timeout: 20_000 })
    .toEqual({ log: [], rows: [], deadLetters: [], ...expected });
}

/** Returns from, from + 1, … */
export function run(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Opens a client in the page. */
export async function openClient(page: Page, url: string, options: api.Options = quick): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
    },
    [url, options] as const,
  );
}

/**
 * Opens a client and waits for the ack of its first publication, n = 1. Storage and connection are
 * then open.
 */
export async function openWithFirst(
  page: Page,
  hub: Hub,
  { url = hub.url, ...options }: api.Options & { url?: string } = {},
): Promise<void> {
  await openClient(page, url, { ...quick, ...options });
  await publishSome(page, 1, 1);
  await end(page, hub, { log: [1] });
}

/** Reloads the page and opens a client in it. */
export async function reopen(page: Page, url: string, options: api.Options = quick): Promise<void> {
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  await openClient(page, url, options);
}

/** The result of a publish call: whether it is durable, or the code of its rejection. */
export type Accepted = boolean | string;

/** Publishes n = from, from + 1, … without waiting for acks. */
export async function publishSome(
  page: Page,
  from: number,
  count: number,
  options: api.PublishOptions = {},
  topic = "t",
): Promise<Accepted[]> {
  return page.evaluate(
    async ([from, count, options, topic]) => {
      const handle = opened.client.topic(topic);
      const calls = Array.from({ length: count }, (_, i) =>
        handle.publish({ by: "page", n: from + i }, options),
      );
      const settled = await Promise.allSettled(calls);
      return settled.map((call) => {
        if (call.status === "rejected") return String(call.reason.code);
        // The test looks into storage and log for the outcome.
        call.value.acked.catch(() => {});
        return call.value.durable;
      });
    },
    [from, count, options, topic] as const,
  );
}

/** A session of the DevTools protocol with the page. */
export async function devtools(page: Page): Promise<CDPSession> {
  return page.context().newCDPSession(page);
}

export async function errorCodes(page: Page): Promise<string[]> {
  return page.evaluate(() => opened.errors.map(({ code }) => code));
}

/** Publishes n = from, from + 1, …. The hub rejects n = rejected: it is nested too deeply. */
export async function publishRejected(
  page: Page,
  from: number,
  count: number,
  rejected: number,
): Promise<void> {
  await page.evaluate(
    async ([from, count, rejected]) => {
      const nested = Array.from({ length: 200 }).reduce((inner) => [inner], 0);
      const calls = Array.from({ length: count }, (_, i) => {
        const n = from + i;
        return opened.client.topic("t").publish({ by: "page", n, ...(n === rejected ? { nested } : {}) });
      });
      for (const { acked } of await Promise.all(calls)) acked.catch(() => {});
    },
    [from, count, rejected] as const,
  );
}
