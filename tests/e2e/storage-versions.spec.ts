// The outbox and storage of other schema versions: a later version takes storage over, and the
// client reads an earlier one.

import type { Page } from "@playwright/test";
import { expect, test } from "./support/network.js";
import {
  dump,
  end,
  errorCodes,
  openClient,
  openWithFirst,
  publishSome,
  run,
  whereabouts,
  writeVersion1,
} from "./support/storage.js";

/**
 * Opens the database as a later version of the package would. Resolves with how long it took, ms.
 */
async function upgrade(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const begunMs = performance.now();
        const request = indexedDB.open("longhaul", 3);
        request.onerror = () => reject(request.error);
        request.onupgradeneeded = ({ oldVersion }) => {
          if (oldVersion > 0) return;
          for (const name of ["partitions", "packs", "keys", "verdicts", "letters", "documents"])
            request.result.createObjectStore(name);
          request.result.createObjectStore("rows", { autoIncrement: true });
        };
        request.onsuccess = () => {
          request.result.close();
          resolve(performance.now() - begunMs);
        };
      }),
  );
}

test("s21: a tab leaves its thirty rows to a later version, asks for a reload, and continues in memory", async ({
  page,
  newPage,
  hub,
}) => {
  const newer = await newPage();
  await openWithFirst(page, hub);
  await hub.kill();
  expect(await publishSome(page, 2, 30)).toEqual(Array(30).fill(true));
  expect(await upgrade(newer)).toBeLessThan(5_000);
  expect((await dump(newer)).rows).toEqual(run(2, 30));
  await expect.poll(() => errorCodes(page)).toEqual(["reload_required"]);
  expect(await publishSome(page, 32, 5)).toEqual(Array(5).fill(false));
  await hub.restart();
  // It no longer sends the rows that the later version has.
  await expect
    .poll(() => whereabouts(newer, hub))
    .toEqual({ log: run(32, 5), rows: run(2, 30), deadLetters: [] });
  expect(await errorCodes(page)).toEqual(["reload_required"]);
});

test("s21: a page of an earlier version than the storage's asks for a reload, and works in memory", async ({
  page,
  hub,
}) => {
  await upgrade(page);
  await openClient(page, hub.url);
  expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(false));
  expect(await errorCodes(page)).toEqual(["reload_required"]);
  await end(page, hub, { log: [1, 2, 3] });
});

test("s21: the client sends the unsent rows of schema version 1 unchanged and in order", async ({
  page,
  hub,
}) => {
  await writeVersion1(page, `${hub.url}/`);
  await hub.kill();
  await openClient(page, hub.url);
  await page.waitForFunction(() => opened.client.outbox.size === 30);
  const known = await page.evaluate(async () => ({
    rows: (await opened.client.outbox.rows()).map(({ id, state, attempts }) => [id, state, attempts]),
    deadLetters: (await opened.client.outbox.deadLetters()).map(({ id, reason }) => [id, reason]),
  }));
  // Ids contain a value derived from the producer, and never the producer (rule H8).
  const [producer] = String(known.rows[0]?.[0]).split(":");
  expect(producer).not.toBe("0123456789abcdef");
  expect(known.rows).toEqual(
    run(1, 30).map((n) => [`${producer}:${n}`, n === 9 ? "sent" : "queued", n === 9 ? 3 : 0]),
  );
  expect(known.deadLetters).toEqual([[`${producer}:31`, { code: "payload_invalid", message: "not JSON" }]]);
  // The old key still takes effect, and numbers continue.
  await page.evaluate(async () => {
    const topic = opened.client.topic("t");
    await topic.publish({ by: "v2", n: 700 }, { key: "k" });
    await topic.publish({ by: "v2", n: 31 });
  });
  await hub.restart();
  await end(page, hub, { log: run(1, 31).map((n) => (n === 7 ? 700 : n)), deadLetters: [99] });
});
