// Several users of one browser: no client sends one user's rows as another user, at any time.

import {
  expect,
  ownRun,
  pageWithFive,
  queueFive,
  rowsSeen,
  sentBy,
  signIn,
  signOut,
  test,
} from "./support/guarded.js";
import { hubEntries } from "./support/hub.js";
import { isEmpty, publish, verdicts } from "./support/rows.js";
import { dump } from "./support/storage.js";
import { knowsNoWorker, stoppable, Worker } from "./support/worker.js";

test.use(stoppable);

const probed = "/sw-probed.js?without=patience";

for (const returns of ["a later visit", "the service worker"] as const) {
  test(`s55: rows of a signed-out user wait while another is signed in, and then ${returns} sends them`, async ({
    page,
    newPage,
    hub,
    gate,
  }) => {
    const worker = await Worker.install(page, probed);
    const tab = await pageWithFive(newPage, gate);
    await signOut(tab);
    // Between the two users.
    gate.revoke();
    gate.signIn("b");
    gate.setOutage(false);
    expect(await worker.flush()).toBe("not_flushed");
    await signIn(tab, gate, "b");
    await publish(tab, gate.url, { count: 3, by: "b" });
    await verdicts(tab);
    expect(await worker.flush()).toBe("not_flushed");
    expect(await rowsSeen(tab)).toEqual([0, 0]);
    expect(sentBy(gate)).toEqual([...ownRun("a", 1, 1), ...ownRun("b", 1, 3)]);
    await signOut(tab);
    gate.signIn("a");
    if (returns === "a later visit") {
      await signIn(tab, gate, "a");
      await isEmpty(tab);
    } else {
      // A new worker, because the last two flushes were in vain.
      await worker.stop();
      expect(await worker.flush()).toBe("done");
    }
    expect(sentBy(gate)).toEqual([...ownRun("a", 1, 6), ...ownRun("b", 1, 3)]);
    const entries = await hubEntries<{ by: string; n: number }>(hub, "t");
    expect(entries.map(({ data }) => `${data.by}${data.n}`)).toEqual([
      "a1",
      "b1",
      "b2",
      "b3",
      "a2",
      "a3",
      "a4",
      "a5",
      "a6",
    ]);
    expect(await dump(page)).toEqual({ rows: [], deadLetters: [] });
  });
}

test("s55: rows of a user who signed out with a wipe are gone in every tab, and no client sends them", async ({
  page,
  newPage,
  hub,
  gate,
}) => {
  const worker = await Worker.install(page, probed);
  const tab = await pageWithFive(newPage, gate);
  const other = await knowsNoWorker(await newPage());
  await signIn(other, gate, "a");
  await expect.poll(() => rowsSeen(other)).toEqual([5, 5]);
  await worker.forget();
  // The worker is sending when the switch comes.
  await worker.sync();
  await tab.evaluate(() => opened.client.outbox.wipe());
  await signOut(tab);
  await expect.poll(() => rowsSeen(other)).toEqual([0, 0]);
  await signOut(other);
  gate.signIn("b");
  gate.setOutage(false);
  await worker.outcome("sync");
  expect(await worker.flush()).toBe("done");
  await signIn(tab, gate, "b");
  await publish(tab, gate.url, { count: 3, by: "b" });
  await verdicts(tab);
  gate.signIn("a");
  await signIn(other, gate, "a");
  await publish(other, gate.url, { count: 1, by: "a again" });
  await verdicts(other);
  expect(sentBy(gate)).toEqual(["a again1 as a", ...ownRun("a", 1, 1), ...ownRun("b", 1, 3)]);
  expect(await hubEntries(hub, "t")).toHaveLength(5);
  expect(await dump(page)).toEqual({ rows: [], deadLetters: [] });
});

test("s55: a tab that is still open when another user signs in sends nothing with the other's token", async ({
  page,
  newPage,
  gate,
}) => {
  const worker = await Worker.install(page, probed);
  const tab = await pageWithFive(newPage, gate);
  gate.signIn("b");
  gate.revoke();
  gate.setOutage(false);
  await tab.evaluate(() => longhaul.reaches(opened.client, "waiting"));
  await expect
    .poll(() => tab.evaluate(() => opened.errors.map(({ code }) => code)))
    .toContain("subject_mismatch");
  const other = await knowsNoWorker(await newPage());
  await signIn(other, gate, "b");
  await publish(other, gate.url, { count: 3, by: "b" });
  await verdicts(other);
  expect(await worker.flush()).toBe("not_flushed");
  expect(sentBy(gate)).toEqual([...ownRun("a", 1, 1), ...ownRun("b", 1, 3)]);
  expect(await rowsSeen(tab)).toEqual([5, 5]);
  gate.signIn("a");
  await tab.evaluate(() => opened.client.reconnect());
  await isEmpty(tab);
  expect(sentBy(gate)).toEqual([...ownRun("a", 1, 6), ...ownRun("b", 1, 3)]);
});

test("s55 h14 f33: if a client can't read its token's subject, the hub refuses its rows alone, and they wait for their owner", async ({
  page,
  hub,
  gate,
}) => {
  gate.veil();
  await queueFive(page, gate);
  gate.signIn("b");
  gate.revoke();
  gate.setOutage(false);
  await expect.poll(() => page.evaluate(() => opened.errors.map(({ code }) => code))).toContain("not_owner");
  expect(await page.evaluate(() => opened.client.status.state)).toBe("connected");
  // Publications that are no rows of that outbox continue.
  const headers = { "content-type": "application/json" };
  await fetch(`${hub.url}/v1/topics/u`, { method: "POST", headers, body: "1" });
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => opened.client.topic("u").subscribe(() => resolve(), { from: "start" })),
  );
  expect(gate.passed().some(({ as, data }) => as === "b" && data.by === "a")).toBe(true);
  expect(await hubEntries(hub, "t")).toHaveLength(1);
  expect(await rowsSeen(page)).toEqual([5, 5]);
  gate.signIn("a");
  gate.revoke();
  await page.evaluate(() => opened.client.reconnect());
  await isEmpty(page);
  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await page.evaluate(() => opened.client.outbox.deadLetters())).toEqual([]);
});
