// The outcomes of rows: verdicts, dead letters and their policy, times to live, limits, keys and
// wipes, over reloads and tabs.

import type { Page } from "@playwright/test";
import type * as api from "longhaul";
import { type Hub, hubEntries } from "./support/hub.js";
import { expect, quick, test } from "./support/network.js";
import {
  dump,
  end,
  openClient,
  openWithFirst,
  publishRejected,
  publishSome,
  reopen,
  run,
  whereabouts,
} from "./support/storage.js";

const readable = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers": "Retry-After",
};

/**
 * Answers the next `times` publication posts as a server that is no hub, while the stream stays
 * open.
 */
const strangers = [
  { id: "s17", what: "503 five times", times: 5, answer: { status: 503, headers: readable } },
  {
    id: "s17",
    what: "429 with Retry-After 7",
    times: 1,
    answer: { status: 429, headers: { ...readable, "Retry-After": "7" } },
  },
  {
    id: "s18",
    what: "200 and a page to sign in at",
    times: 3,
    answer: { status: 200, headers: { ...readable, "content-type": "text/html" }, body: "<p>Sign in" },
  },
  { id: "s18", what: "a redirect", times: 3, answer: { status: 302, headers: { Location: "/login" } } },
];

for (const { id, what, times, answer } of strangers) {
  test(`${id}: when posts are answered with ${what}, rows stay stored until a hub answers, and take effect once`, async ({
    page,
    hub,
    line,
  }) => {
    await line.setFaults({
      http: [{ pathPrefix: "/v1/publish", method: "POST", times, action: { answer } }],
    });
    await openClient(page, line.url, { ...quick, transports: ["eventsource"] });
    await page.evaluate(() => longhaul.reaches(opened.client, "connected"));
    const begunMs = Date.now();
    expect(await publishSome(page, 1, 5)).toEqual(Array(5).fill(true));
    await expect.poll(async () => (await line.stats()).ruled).toBeGreaterThan(0);
    if (times === 1) {
      expect(await whereabouts(page, hub)).toEqual({ log: [], rows: run(1, 5), deadLetters: [] });
    }
    await end(page, hub, { log: run(1, 5) });
    if (times === 1) expect(Date.now() - begunMs).toBeGreaterThanOrEqual(7_000);
    expect((await line.stats()).ruled).toBe(times);
  });
}

test("s15: the fifth of nine expires offline: it is a dead letter with its reason, and the others arrive in order", async ({
  page,
  hub,
}) => {
  await openClient(page, hub.url);
  await page.evaluate(() => longhaul.reaches(opened.client, "connected"));
  await hub.kill();
  await publishSome(page, 1, 4);
  const expiresAtMs = await page.evaluate(async () => {
    await opened.client.topic("t").publish({ by: "page", n: 5 }, { ttlMs: 300 });
    return (await opened.client.outbox.rows())[4]?.expiresAtMs ?? 0;
  });
  await publishSome(page, 6, 4);
  // Only the hub's clock may end it; until then all of them wait.
  await expect.poll(() => Date.now() > expiresAtMs + 100).toBe(true);
  expect((await dump(page)).rows).toHaveLength(9);
  await reopen(page, hub.url);
  await hub.restart();
  await end(page, hub, { log: [1, 2, 3, 4, 6, 7, 8, 9], deadLetters: [5] });
  const deadLetters = await page.evaluate(() => opened.client.outbox.deadLetters());
  expect(deadLetters.map(({ data, reason }) => [data, reason.code])).toEqual([
    [{ by: "page", n: 5 }, "expired"],
  ]);
});

test("a clock that jumps a week ahead while offline expires nothing: the hub's time decides", async ({
  page,
  hub,
}) => {
  const week = 7 * 24 * 3_600_000;
  await openClient(page, hub.url);
  await page.evaluate(() => longhaul.reaches(opened.client, "connected"));
  await hub.kill();
  await publishSome(page, 1, 5, { ttlMs: 60_000 });
  await page.evaluate((week) => {
    const { now } = Date;
    Date.now = () => now() + week;
  }, week);
  await publishSome(page, 6, 5, { ttlMs: 60_000 });
  expect((await dump(page)).rows).toHaveLength(10);
  await hub.restart();
  await end(page, hub, { log: run(1, 10) });
});

test("s16: a row rejected for good becomes a dead letter with its reason, and by default later rows go on", async ({
  page,
  hub,
}) => {
  await openClient(page, hub.url);
  await publishRejected(page, 1, 9, 3);
  await end(page, hub, { log: [1, 2, 4, 5, 6, 7, 8, 9], deadLetters: [3] });
  expect(await reasons(page)).toEqual(["payload_invalid"]);
});

async function reasons(page: Page): Promise<string[]> {
  return page.evaluate(async () =>
    (await opened.client.outbox.deadLetters()).map(({ reason }) => reason.code),
  );
}

const pausing = { ...quick, outbox: { deadLetterPolicy: "pause" } } satisfies api.Options;

test("s16: under the policy of a pause its topic waits, over reloads and in every tab, and no other topic does", async ({
  page,
  newPage,
  hub,
}) => {
  await openClient(page, hub.url, pausing);
  await publishRejected(page, 1, 9, 3);
  await end(page, hub, { log: [1, 2], rows: run(4, 6), deadLetters: [3] });
  await publishSome(page, 1, 5, {}, "other");
  await expect.poll(async () => (await hubEntries(hub, "other")).length).toBe(5);
  await reopen(page, hub.url, pausing);
  await publishSome(page, 6, 1, {}, "other");
  await expect.poll(async () => (await hubEntries(hub, "other")).length).toBe(6);
  await expect.poll(() => whereabouts(page, hub)).toEqual({ log: [1, 2], rows: run(4, 6), deadLetters: [3] });
  // Another tab discards the dead letter.
  const other = await newPage();
  await openClient(other, hub.url, pausing);
  await other.evaluate(async () => {
    const { outbox } = opened.client;
    for (const { id } of await outbox.deadLetters()) await outbox.discard(id);
  });
  await end(page, hub, { log: [1, 2, 4, 5, 6, 7, 8, 9] });
});

test("s16: under the policy of a pause a retried dead letter comes after the rows that waited for it", async ({
  page,
  hub,
}) => {
  await openClient(page, hub.url, pausing);
  await publishRejected(page, 1, 3, 1);
  await end(page, hub, { rows: [2, 3], deadLetters: [1] });
  await page.evaluate(async () => {
    const { outbox } = opened.client;
    for (const { id } of await outbox.deadLetters()) await outbox.retry(id);
  });
  // The hub rejects it again.
  await end(page, hub, { log: [2, 3], deadLetters: [1] });
});

test("s19: publish rejects what is too large; a row over the hub's own limit dies, and later rows go on", async ({
  page,
  hub,
}) => {
  await openWithFirst(page, hub);
  const refused = await page.evaluate(() =>
    opened.client
      .topic("t")
      .publish({ by: "x".repeat(70_000), n: 2 })
      .catch(({ code }) => code),
  );
  expect(refused).toBe("payload_too_large");
  expect((await dump(page)).rows).toEqual([]);
  await hub.kill();
  await publishSome(page, 3, 3);
  // A row from a time when the hub's limit was higher.
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open("longhaul").onsuccess = ({ target }) => {
          const database = (target as IDBOpenDBRequest).result;
          const rows = database.transaction("rows", "readwrite").objectStore("rows");
          rows.openCursor(null, "next").onsuccess = ({ target }) => {
            const { result } = target as IDBRequest<IDBCursorWithValue>;
            const row = result.value;
            row[3] = JSON.stringify({ by: "x".repeat(70_000), n: 3 });
            row[4] = row[3].length;
            result.update(row).onsuccess = resolve;
            database.close();
          };
        };
      }),
  );
  await reopen(page, hub.url);
  await hub.restart();
  await end(page, hub, { log: [4, 5], deadLetters: [3] });
  expect(await reasons(page)).toEqual(["payload_too_large"]);
});

test("a key replaces an unsent row, from another tab and after a reload, in the row's place", async ({
  page,
  newPage,
  hub,
}) => {
  await openWithFirst(page, hub);
  await hub.kill();
  await publishSome(page, 2, 1);
  await publishSome(page, 3, 1, { key: "k" });
  await publishSome(page, 4, 1);
  const other = await newPage();
  await openClient(other, hub.url);
  await publishSome(other, 30, 1, { key: "k" });
  await publishSome(other, 5, 1, { key: "another" });
  await reopen(page, hub.url);
  await publishSome(page, 300, 1, { key: "k" });
  expect(await whereabouts(page, hub)).toMatchObject({ rows: [2, 300, 4, 5] });
  expect(await page.evaluate(() => opened.client.outbox.size)).toBe(4);
  await hub.restart();
  await end(page, hub, { log: [2, 300, 4, 5] });
  // The row was sent, so the key begins anew.
  await publishSome(page, 3_000, 1, { key: "k" });
  await end(page, hub, { log: [2, 300, 4, 5, 3_000] });
});

test("two tabs see the rows and dead letters of both, and either may retry and discard", async ({
  page,
  newPage,
  hub,
}) => {
  const other = await newPage();
  const pages = [page, other];
  for (const each of pages) await openClient(each, hub.url);
  await publishRejected(page, 1, 3, 2);
  await publishRejected(other, 4, 3, 5);
  const log = [1, 3, 4, 6];
  await expect
    .poll(async () => {
      const { log, rows, deadLetters } = await whereabouts(page, hub);
      return [log.toSorted((a, b) => a - b), rows, deadLetters.toSorted((a, b) => a - b)];
    })
    .toEqual([log, [], [2, 5]]);
  const idsOf = (page: Page) =>
    page.evaluate(async () => (await opened.client.outbox.deadLetters()).map(({ id }) => id));
  expect(await idsOf(other)).toEqual(await idsOf(page));
  const [first = "", second = ""] = await idsOf(page);
  // One at a time: the retried one dies again, under a new number.
  await other.evaluate((id) => opened.client.outbox.discard(id), first);
  await other.evaluate((id) => opened.client.outbox.retry(id), second);
  await expect.poll(async () => (await idsOf(page)).filter((id) => id !== second)).toHaveLength(1);
  expect(await page.evaluate((id) => opened.client.outbox.retry(id).catch(({ code }) => code), first)).toBe(
    "row_unknown",
  );
  // Another tab cancels the waiting row than the one that published it.
  await hub.kill();
  const receipt = page.evaluate(async () => {
    const { acked } = await opened.client.topic("t").publish({ by: "page", n: 7 });
    return acked.then(String, ({ code }) => code);
  });
  await expect.poll(() => other.evaluate(async () => (await opened.client.outbox.rows()).length)).toBe(1);
  await other.evaluate(async () => {
    const { outbox } = opened.client;
    for (const { id } of await outbox.rows()) await outbox.discard(id);
  });
  await hub.restart();
  expect(await receipt).toBe("discarded");
  await expect.poll(async () => (await dump(page)).rows).toEqual([]);
  expect(await entriesNumbered(hub)).not.toContain(7);
});

async function entriesNumbered(hub: Hub): Promise<number[]> {
  return (await hubEntries<{ n: number }>(hub, "t")).map(({ data }) => data.n);
}

test("a wipe in one tab removes rows and dead letters for all, and the client sends none of them later", async ({
  page,
  newPage,
  hub,
}) => {
  const other = await newPage();
  await openClient(page, hub.url);
  await openClient(other, hub.url);
  await publishRejected(page, 1, 1, 1);
  await end(page, hub, { deadLetters: [1] });
  await hub.kill();
  const receipt = page.evaluate(async () => {
    const { acked } = await opened.client.topic("t").publish({ by: "page", n: 2 });
    return acked.then(String, ({ code }) => code);
  });
  await expect.poll(() => other.evaluate(() => opened.client.outbox.size)).toBe(1);
  await publishSome(other, 3, 1);
  await other.evaluate(() => opened.client.outbox.wipe());
  expect(await receipt).toBe("wiped");
  expect(await dump(page)).toEqual({ rows: [], deadLetters: [] });
  await expect.poll(() => page.evaluate(() => opened.client.outbox.size)).toBe(0);
  await reopen(page, hub.url);
  await hub.restart();
  await publishSome(page, 4, 1);
  await end(page, hub, { log: [4] });
});

test("the outbox's limits hold over reloads and tabs, reject new rows and drop none", async ({
  page,
  newPage,
  hub,
}) => {
  const limited = { ...quick, outbox: { rowsMax: 5, bytesMax: 1_000 } } satisfies api.Options;
  await hub.kill();
  await openClient(page, hub.url, limited);
  expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(true));
  await reopen(page, hub.url, limited);
  expect(await publishSome(page, 4, 3)).toEqual([true, true, "outbox_full"]);
  const other = await newPage();
  await openClient(other, hub.url, limited);
  expect(await publishSome(other, 7, 1)).toEqual(["outbox_full"]);
  expect((await whereabouts(page, hub)).rows).toEqual(run(1, 5));
  await hub.restart();
  await end(page, hub, { log: run(1, 5) });
  await hub.kill();
  const large = () =>
    page.evaluate(() =>
      opened.client
        .topic("t")
        .publish({ by: "x".repeat(600), n: 8 })
        .then(
          ({ durable, acked }) => {
            acked.catch(() => {});
            return durable;
          },
          ({ code }) => code,
        ),
    );
  expect(await large()).toBe(true);
  await reopen(page, hub.url, limited);
  expect(await large()).toBe("outbox_full");
  await hub.restart();
  await end(page, hub, { log: [8] });
});

declare global {
  /** The lists of an app that reads them again at each outbox event, and its dead letter events. */
  var shown: { rows: string[]; deadLetters: number[]; reported: number[] };
}

/** Keeps such lists, as an app does. */
async function watchLists(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { client } = opened;
    globalThis.shown = { rows: [], deadLetters: [], reported: [] };
    let last = 0;
    client.on("deadletter", ({ data }) => shown.reported.push((data as { n: number }).n));
    client.on("outbox", async () => {
      const no = ++last;
      const rows = await client.outbox.rows();
      const deadLetters = await client.outbox.deadLetters();
      if (no !== last) return;
      shown.rows = rows.map(({ state, attempts }) => `${state} ${attempts}`);
      shown.deadLetters = deadLetters.map(({ data }) => (data as { n: number }).n);
    });
  });
}

test("lists that are read again at each outbox event are right in three tabs", async ({
  page,
  newPage,
  hub,
}) => {
  const pages = [page, await newPage(), await newPage()];
  for (const each of pages) {
    await openClient(each, hub.url);
    await each.evaluate(() => longhaul.reaches(opened.client, "connected"));
    await watchLists(each);
  }
  const [, other, third] = pages as [Page, Page, Page];
  const show = async (what: {
    rows?: string[];
    deadLetters?: number[];
    reported?: number[];
  }): Promise<void> => {
    for (const each of pages)
      await expect
        .poll(() => each.evaluate(() => shown))
        .toMatchObject({ rows: [], deadLetters: [], ...what });
  };
  let reported: number[] = [];
  for (const [round, each] of [...pages, ...pages].entries()) {
    const from = round * 10;
    await publishRejected(each, from, 5, from + 2);
    reported = [...reported, from + 2];
    await show({ deadLetters: [from + 2], reported });
    const taker = pages[(round + 1) % 3] ?? page;
    await taker.evaluate(async () => {
      const { outbox } = opened.client;
      for (const { id } of await outbox.deadLetters()) await outbox.discard(id);
    });
    await show({ reported });
  }
  // Another tab cancels the waiting rows than the one that published them.
  await hub.kill();
  await publishSome(page, 100, 2);
  await show({ rows: ["queued 0", "queued 0"] });
  await other.evaluate(async () => {
    const { outbox } = opened.client;
    for (const { id } of await outbox.rows()) await outbox.discard(id);
  });
  await show({ rows: ["discarding 0", "discarding 0"] });
  await reopen(third, hub.url);
  expect(
    await third.evaluate(async () => (await opened.client.outbox.rows()).map(({ state }) => state)),
  ).toEqual(["discarding", "discarding"]);
  await watchLists(third);
  await hub.restart();
  for (const each of pages) {
    await expect.poll(() => each.evaluate(() => opened.client.outbox.size)).toBe(0);
    await expect.poll(() => each.evaluate(() => shown)).toMatchObject({ rows: [], deadLetters: [] });
  }
  expect((await entriesNumbered(hub)).filter((n) => n >= 100)).toEqual([]);
});
