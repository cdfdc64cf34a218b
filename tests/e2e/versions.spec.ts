// A page and a service worker of different versions: each leaves unknown data of the other alone,
// and no row is lost.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { type Hub, hubEntries } from "./support/hub.js";
import { publish } from "./support/rows.js";
import {
  dump,
  end,
  errorCodes,
  openClient,
  publishRejected,
  publishSome,
  records,
  run,
} from "./support/storage.js";
import { knowsNoWorker, Worker } from "./support/worker.js";

const probed = "/sw-probed.js";

/**
 * Where the members of a later version start: after those of a dead letter, and after those of a
 * partition.
 */
const later = { row: 14, partition: 6 };

async function databaseVersion(page: Page): Promise<number | undefined> {
  return page.evaluate(
    async () => (await indexedDB.databases()).find(({ name }) => name === "longhaul")?.version,
  );
}

/** Installs a worker, and leaves rows of a closed page while the hub is away. */
async function leaveRows(page: Page, newPage: () => Promise<Page>, hub: Hub, count: number): Promise<Worker> {
  const worker = await Worker.install(page, probed);
  const writer = await knowsNoWorker(await newPage());
  await hub.kill();
  await publish(writer, hub.url, { count });
  await writer.close();
  return worker;
}

test("a worker sends the rows of a later version's page, and keeps the members which that has added", async ({
  page,
  newPage,
  hub,
}) => {
  const worker = await Worker.install(page, probed);
  const writer = await knowsNoWorker(await newPage());
  await hub.kill();
  await openClient(writer, hub.url);
  await publishSome(writer, 1, 3);
  // A row with a key is marked as sent before it goes out.
  await publishSome(writer, 4, 1, { key: "k" });
  await writer.close();
  await records(page, "rows", (record) => {
    record[14] = "later";
  });
  await records(page, "partitions", (record) => {
    record[6] = "later";
  });

  expect(await worker.flush()).toBe("not_flushed");
  const waiting = await records(page, "rows");
  expect(waiting.map((record) => record[later.row])).toEqual(Array(4).fill("later"));
  // The hub rejects this one for good, because it is nested too deeply: it becomes a dead letter.
  await records(page, "rows", (record) => {
    if (String(record[3]).includes('"n":2')) record[3] = `${"[".repeat(200)}${"]".repeat(200)}`;
  });
  await hub.restart();
  expect(await worker.flush()).toBe("done");
  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1, 3, 4]);
  expect(await records(page, "rows")).toEqual([]);
  const deadLetters = await records(page, "letters");
  expect(deadLetters.map((record) => [record[12], record[later.row]])).toEqual([
    ["payload_invalid", "later"],
  ]);
  const partitions = await records(page, "partitions");
  expect(partitions.map((record) => record[later.partition])).toEqual(["later"]);
});

test("a page that stores its partition again keeps the members of a later version", async ({
  page,
  newPage,
  hub,
}) => {
  await publish(page, hub.url, { count: 1 });
  await page.evaluate(() => opened.client.close());
  await records(page, "partitions", (record) => {
    record[6] = "later";
  });
  const visit = await newPage();
  const outbox = { deadLetterPolicy: "pause", tokenUrl: "/token" } as const;
  await publish(visit, hub.url, { count: 1, options: { ...quick, outbox } });
  const [[, , , , tokenUrl, isPausing, added] = []] = await records(page, "partitions");
  expect([tokenUrl, isPausing, added]).toEqual(["/token", true, "later"]);
});

test("a retried dead letter keeps the members of a later version", async ({ page, hub }) => {
  await openClient(page, hub.url);
  await publishRejected(page, 1, 1, 1);
  await end(page, hub, { deadLetters: [1] });
  await records(page, "letters", (record) => {
    record[later.row] = "later";
  });
  await hub.kill();
  await page.evaluate(async () => {
    const { outbox } = opened.client;
    for (const { id } of await outbox.deadLetters()) await outbox.retry(id);
  });
  const rows = await records(page, "rows");
  expect(rows.map((record) => [record[12], record[13], record[later.row]])).toEqual([
    [undefined, undefined, "later"],
  ]);
});

test("records that are no rows, and rows with impossible numbers, hold nothing up", async ({
  page,
  newPage,
  hub,
}) => {
  const worker = await leaveRows(page, newPage, hub, 6);
  let at = 0;
  await records(page, "rows", (record) => {
    at++;
    if (at === 2) record.length = 2;
    if (at === 3) record[6] = 1e300;
    if (at === 4) record[11] = Number.POSITIVE_INFINITY;
    if (at === 5) record[1] = "a/../b";
  });
  await hub.restart();
  expect(await worker.flush()).toBe("done");
  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1, 3, 4, 6]);
  expect((await records(page, "rows")).map(({ length }) => length)).toEqual([2]);
  expect((await records(page, "letters")).map((record) => record[12])).toEqual(["topic_invalid"]);
});

test("a worker sends for an earlier version's page, which has stored less", async ({
  page,
  newPage,
  hub,
}) => {
  const worker = await leaveRows(page, newPage, hub, 3);
  await records(page, "partitions", (record) => {
    record.length = 5;
  });
  await hub.restart();
  expect(await worker.flush()).toBe("done");
  await end(page, hub, { log: run(1, 3) });
  expect((await records(page, "partitions")).map(({ length }) => length)).toEqual([5]);
});

test("s21: a worker of an earlier version than the storage's says so, and leaves the rows to a later one", async ({
  page,
  newPage,
  hub,
}) => {
  const worker = await leaveRows(page, newPage, hub, 5);
  await worker.upgrade(3);
  await hub.restart();
  expect(await worker.flush()).toBe("storage_unavailable");
  await end(page, hub, { rows: run(1, 5) });
  expect(await databaseVersion(page)).toBe(3);
});

test("s21: a page whose worker upgrades the storage closes it and asks for a reload", async ({
  page,
  newPage,
  hub,
}) => {
  const worker = await Worker.install(page, probed);
  const writer = await newPage();
  await hub.kill();
  await publish(writer, hub.url, { count: 5 });
  await worker.upgrade(3);
  await expect.poll(() => errorCodes(writer)).toEqual(["reload_required"]);
  expect(await publishSome(writer, 6, 1)).toEqual([false]);
  await hub.restart();
  await end(page, hub, { log: [6], rows: run(1, 5) });
  expect(await dump(page)).toEqual({ rows: run(1, 5), deadLetters: [] });
});
