// Tokens in the service worker, which has no app to ask. An open page shares its own, or the app's
// endpoint gives one, or rows wait. Also the rows when tokens fail.

import type { TokenAnswer } from "./support/gatekeeper.js";
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
import { isEmpty, publish, verdicts } from "./support/rows.js";
import { dump, run } from "./support/storage.js";
import { mute, silentPage, stoppable, Worker } from "./support/worker.js";

test.use(stoppable);

const probed = "/sw-probed.js?without=patience";

test("an open page shares its token with the worker, and the worker does not call its app", async ({
  page,
  newPage,
  gate,
}) => {
  const worker = await Worker.install(page, probed);
  const writer = await silentPage(newPage);
  gate.signIn("a");
  await signIn(writer, gate, "a", mute);
  for (let flushed = 1; flushed <= 4; flushed++) {
    await publish(writer, gate.url, { count: 1, by: "a" });
    expect(await worker.flush()).toBe("done");
    await verdicts(writer);
  }
  expect(sentBy(gate)).toEqual(ownRun("a", 1, 4));
  expect(gate.calls()).toBe(1);
});

test("s56: the page shares no token again that the hub refused, but its next one", async ({
  page,
  newPage,
  gate,
}) => {
  const worker = await Worker.install(page, probed);
  const writer = await silentPage(newPage);
  gate.signIn("a");
  await signIn(writer, gate, "a", mute);
  await expect.poll(() => gate.calls()).toBe(1);
  gate.revoke();
  await publish(writer, gate.url, { count: 3, by: "a" });
  expect(await worker.flush()).toBe("not_flushed");
  const ways = gate.shown().map(({ way }) => way);
  expect(ways).not.toEqual([]);
  expect(ways, "each way shows it once").toEqual([...new Set(ways)]);
  expect(sentBy(gate)).toEqual([]);
  expect(gate.calls()).toBe(1);
  await signOut(writer);
  await signIn(writer, gate, "a", mute);
  await expect.poll(() => gate.calls()).toBe(2);
  expect(await worker.flush()).toBe("done");
  expect(sentBy(gate)).toEqual(ownRun("a", 1, 3));
});

test("without an open page and an endpoint, the worker leaves the rows to the next visit", async ({
  page,
  newPage,
  gate,
}) => {
  const worker = await Worker.install(page, probed);
  const writer = await pageWithFive(newPage, gate, {});
  await writer.close();
  gate.setOutage(false);
  expect(await worker.flush()).toBe("not_flushed");
  expect(sentBy(gate)).toEqual(ownRun("a", 1, 1));
  expect((await dump(page)).rows).toEqual(run(2, 5));
  await signIn(page, gate, "a", {});
  await isEmpty(page);
  expect(sentBy(gate)).toEqual(ownRun("a", 1, 6));
});

const answers: [string, { give?: TokenAnswer; user?: string; shows?: true }][] = [
  ["a token", {}],
  ["401", { give: "nobody" }],
  ["200 and HTML", { give: "portal" }],
  ["another user's token", { user: "b" }],
  ["tokens that the hub refuses", { give: "useless", shows: true }],
  ["nothing, because the network fails", { give: "cut" }],
];

for (const [what, { give = "good", user = "a", shows }] of answers) {
  const isGood = give === "good" && user === "a";
  test(`s56: without a page the worker asks outbox.tokenUrl, which gives ${what}: ${isGood ? "rows go out" : "rows wait, and the worker asks twice a minute at most"}`, async ({
    page,
    newPage,
    gate,
  }) => {
    const worker = await Worker.install(page, probed);
    const writer = await pageWithFive(newPage, gate);
    await writer.close();
    gate.revoke();
    const callsBefore = gate.calls();
    const shownBefore = gate.shown().length;
    gate.give(give);
    gate.signIn(user);
    gate.setOutage(false);
    for (let event = 1; event <= (isGood ? 1 : 4); event++) {
      expect(await worker.flush()).toBe(isGood ? "done" : "not_flushed");
    }
    expect(gate.calls() - callsBefore).toBe(isGood ? 1 : 2);
    if (!isGood) {
      expect(gate.shown().length - shownBefore).toBe(shows ? 2 : 0);
      expect(sentBy(gate)).toEqual(ownRun("a", 1, 1));
      expect(await dump(page)).toEqual({ rows: run(2, 5), deadLetters: [] });
      gate.give("good");
      gate.signIn("a");
      await worker.stop();
      expect(await worker.flush()).toBe("done");
    }
    expect(sentBy(gate)).toEqual(ownRun("a", 1, 6));
    expect(await dump(page)).toEqual({ rows: [], deadLetters: [] });
  });
}

test("s56: a token expires during an outage and refreshes fail: the outbox waits, loses nothing, and continues after the login", async ({
  page,
  gate,
}) => {
  // Too old for another attempt by then.
  gate.give("good", 30_000);
  await queueFive(page, gate, {});
  gate.revoke();
  gate.give("useless");
  gate.setOutage(false);
  const status = await page.evaluate(() => longhaul.reaches(opened.client, "unauthorized"));
  expect(status).toMatchObject({ reason: { code: "unauthorized", closeCode: 4401 } });
  expect(gate.calls()).toBe(2);
  // Every event that may wake a client, except the user's own call.
  await page.evaluate(() => {
    for (let i = 0; i < 20; i++) {
      dispatchEvent(new Event("online"));
      document.dispatchEvent(new Event("visibilitychange"));
      dispatchEvent(new Event("focus"));
    }
  });
  await publish(page, gate.url, { count: 20, by: "a" });
  expect(await rowsSeen(page)).toEqual([25, 25]);
  expect(gate.calls()).toBe(2);
  expect(await page.evaluate(() => opened.client.status.state)).toBe("unauthorized");
  gate.give("good");
  await page.evaluate(() => opened.client.reconnect());
  const acks = await verdicts(page);
  expect(acks.map(({ seq }) => seq)).toEqual(run(1, 26));
  await isEmpty(page);
  expect(await page.evaluate(() => opened.client.outbox.deadLetters())).toEqual([]);
  expect(sentBy(gate)).toHaveLength(26);
});
