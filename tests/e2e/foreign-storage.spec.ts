// An app's own database has the outbox's name: the package does not change it.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { end, errorCodes, openClient, publishSome } from "./support/storage.js";
import { Worker } from "./support/worker.js";

/** The app's database with one note, at a version below, at or above the outbox's. */
async function writeNote(page: Page, name: string, version: number): Promise<void> {
  await page.evaluate(
    ([name, version]) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open(name, version);
        request.onerror = () => reject(request.error);
        request.onupgradeneeded = () => request.result.createObjectStore("notes").put("a note", 1);
        request.onsuccess = () => {
          // The app keeps it open, and would receive an event if another script changed it.
          request.result.onversionchange = () => Object.assign(globalThis, { wasAsked: true });
          Object.assign(globalThis, { database: request.result });
          resolve();
        };
      }),
    [name, version] as const,
  );
}

interface Seen {
  version: number;
  stores: string[];
  note: unknown;
  wasAsked: boolean;
}

async function look(page: Page): Promise<Seen> {
  return page.evaluate(
    () =>
      new Promise<Seen>((resolve) => {
        const { database, wasAsked = false } = globalThis as unknown as {
          database: IDBDatabase;
          wasAsked?: boolean;
        };
        const request = database.transaction("notes").objectStore("notes").get(1);
        request.onsuccess = () =>
          resolve({
            version: database.version,
            stores: [...database.objectStoreNames],
            note: request.result,
            wasAsked,
          });
      }),
  );
}

for (const version of [1, 2, 3]) {
  test(`f07: the outbox leaves an app's database of version ${version} with its name alone, and keeps publications in memory`, async ({
    page,
    hub,
  }) => {
    await writeNote(page, "longhaul", version);
    await openClient(page, hub.url);
    expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(false));
    expect(await errorCodes(page)).toEqual(["outbox_name_taken"]);
    await page.waitForFunction(() => opened.client.metrics().acks === 3);
    await page.evaluate(async () => {
      await opened.client.outbox.wipe();
      await opened.client.close();
    });
    const seen = { version, stores: ["notes"], note: "a note", wasAsked: false };
    expect(await look(page)).toEqual(seen);
  });
}

test("f07: an app that makes its database at the same moment keeps it", async ({ page, hub }) => {
  const kept = await page.evaluate(
    async ([url, options]) => {
      let made = 0;
      const open = (name: string, version?: number) =>
        new Promise<IDBDatabase>((resolve, reject) => {
          const request = indexedDB.open(name, version);
          request.onupgradeneeded = () => {
            request.result.createObjectStore("notes").put("a note", 1);
            made++;
          };
          request.onerror = () => reject(request.error);
          request.onsuccess = () => resolve(request.result);
        });
      const kept: string[][] = [];
      for (const turns of [0, 1, 2, 3, 4, 6, 8]) {
        const name = `app${turns}`;
        const { client } = longhaul.open(url, { ...options, outbox: { name } });
        await longhaul.reaches(client, "connected");
        const published = client.topic("t").publish(turns);
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        const before = made;
        // Where the outbox came first, the app makes no database. It finds the outbox's, or a later
        // version.
        (await open(name, 1).catch(() => undefined))?.close();
        const isMade = made > before;
        await published;
        await client.close();
        if (!isMade) continue;
        const database = await open(name);
        kept.push([...database.objectStoreNames]);
        database.close();
      }
      return kept;
    },
    [hub.url, quick] as const,
  );
  for (const stores of kept) expect(stores).toContain("notes");
});

test("f07: the service worker leaves a database of the app alone", async ({ page, newPage }) => {
  const worker = await Worker.install(page, "/sw-probed.js");
  const other = await newPage();
  await writeNote(other, "longhaul", 1);
  expect(await worker.flush()).toBe("storage_unavailable");
  expect(await look(other)).toEqual({ version: 1, stores: ["notes"], note: "a note", wasAsked: false });
});

test("f07: the outbox takes an empty database of its name, because there is nothing to lose", async ({
  page,
  hub,
}) => {
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const request = indexedDB.open("longhaul");
        request.onsuccess = () => {
          request.result.close();
          resolve();
        };
      }),
  );
  await openClient(page, hub.url);
  expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(true));
  await end(page, hub, { log: [1, 2, 3] });
});
