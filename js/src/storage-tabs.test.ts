// The messages between an outbox and other tabs and workers, over a core that records its calls.

import { expect, test, vi } from "vitest";
import { clock, neighbour, scene } from "../testing/scene.js";
import type { Endpoint } from "./endpoint.js";
import { BackgroundSync } from "./sync.js";
import type { TabMessage } from "./tabs.js";
import type { Core } from "./wasm/longhaul.js";

const messages: [TabMessage, unknown[][]][] = [
  [["added", "p", 9, 2, 30], [["tabAdded", "p", 9, 2, 30]]],
  [
    ["acked", "p", "e", [1, 2, 30, 4, 0, 2, 1, 31, 5, 1]],
    [
      ["tabAcked", "p", 1, 2, 30, "e", 4, false],
      ["tabAcked", "p", 2, 1, 31, "e", 5, true],
    ],
  ],
  [["dead", "p", 1, 2, 3, "code", "why"], [["tabDead", "p", 1, 2, 3, "code", "why"]]],
  [["outcomeStored", "p", 1], [["tabOutcomeStored", "p", 1]]],
  [["cancelled", "p", 1], [["tabCancelled", "p", 1]]],
  [["renamed", "p", "q"], [["tabRenamed", "p", "q"]]],
  [["deadLetterTaken", "p", 1], [["tabDeadLetterTaken", "p", 1]]],
  [["wiped", true], [["tabWiped", false, 0, 0]]],
  [["wiped", undefined, 7, 100], [["tabWiped", true, 7, 100]]],
  // From an earlier version.
  [["wiped"], [["tabWiped", true, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]]],
];

test.for(messages)("the core receives the tab message %o", ([message, calls]) => {
  const { core, storage } = scene();
  storage.receive(message);
  expect(core.calls).toEqual(calls);
});

test("messages between a crash and the next core reach that core, once and in order", () => {
  const { scheduler, core, storage } = scene();
  scheduler.core = undefined;
  for (const [message] of messages) storage.receive(message);
  expect(core.calls).toEqual([]);
  scheduler.core = core as unknown as Core;
  storage.catchUp();
  storage.catchUp();
  expect(core.calls).toEqual(messages.flatMap(([, calls]) => calls));
});

test("the service worker is asked when rows wait for a second, at once if nothing can be sent, and at close", async () => {
  const ask = vi.spyOn(BackgroundSync.prototype, "ask");
  const settled = vi.spyOn(BackgroundSync.prototype, "settled");
  const { core, scheduler, storage } = scene();
  core.rowCount = 1;
  scheduler.settle();
  await clock.advance(999);
  core.rowCount = 0;
  settled.mockClear();
  scheduler.settle();
  expect(settled).toHaveBeenCalledOnce();
  await clock.advance(2_000);
  expect(ask).not.toHaveBeenCalled();
  core.rowCount = 1;
  scheduler.settle();
  await clock.advance(500);
  scheduler.settle();
  await clock.advance(500);
  expect(ask).toHaveBeenCalledTimes(1);
  scheduler.settle();
  storage.close();
  expect(ask).toHaveBeenCalledTimes(2);
  await clock.advance(2_000);
  expect(ask).toHaveBeenCalledTimes(2);
  const stuck = scene({ isStuck: () => true });
  stuck.core.rowCount = 1;
  stuck.scheduler.settle();
  expect(ask).toHaveBeenCalledTimes(3);
});

test("a page shares its token with the call that asks; workers, and pages without a token, do not answer", async () => {
  const token = vi.fn(async (refused: string | undefined) => {
    if (refused === "bad") throw new Error("none");
    return "shared";
  });
  const { core, storage } = scene({ hasToken: true, token });
  storage.enter("u");
  await storage.partitionName();
  const { received, send } = neighbour("db https://hub.test/ u");
  await send(["tokenWanted", "c1", undefined]);
  expect(received).toEqual([]);
  vi.stubGlobal("document", {});
  await send(["tokenWanted", "c2", undefined], ["tokenWanted", "c3", "bad"]);
  expect(received).toEqual([["token", "c2", "shared"]]);
  expect(token.mock.calls).toEqual([[undefined], ["bad"]]);
  expect(core.calls).toEqual([]);
  const { storage: without } = scene({ token });
  without.receive(["tokenWanted", "c4", undefined]);
  expect(token).toHaveBeenCalledTimes(2);
});

const tokenOf = (sub: string): string => `h.${btoa(JSON.stringify({ sub }))}.s`;

/** A worker's storage, and an endpoint that returns these tokens. */
async function workerStorage(subject: string, tokens: readonly string[]) {
  const { storage } = scene();
  storage.enter(subject);
  await storage.partitionName();
  const refusals: unknown[] = [];
  const left = [...tokens];
  const endpoint = {
    async token(refused: string | undefined) {
      refusals.push(refused);
      return left.shift() ?? "";
    },
  } as unknown as Endpoint;
  return { storage, endpoint, refusals };
}

test("a worker without a page asks the app's endpoint, with the token that was refused", async () => {
  const { storage, endpoint, refusals } = await workerStorage("u", [tokenOf("u"), `${tokenOf("u")}2`]);
  expect(await clock.waitFor(storage.sharedToken("initial", endpoint))).toBe(tokenOf("u"));
  expect(await clock.waitFor(storage.sharedToken("rejected", endpoint))).toBe(`${tokenOf("u")}2`);
  // No token is refused before the first one.
  expect(refusals[0]).toBeUndefined();
  expect(refusals[1]).toBe(tokenOf("u"));
});

test("a page's token comes before the endpoint's, and the page learns which one was refused", async () => {
  const { storage, endpoint, refusals } = await workerStorage("u", []);
  const { received, send } = neighbour("db https://hub.test/ u");
  for (const [reason, token] of [
    ["initial", "first"],
    ["rejected", "second"],
  ] as const) {
    const shared = storage.sharedToken(reason, endpoint);
    await clock.settle();
    await send(["token", received.at(-1)?.[1], token]);
    expect(await shared).toBe(token);
  }
  expect(received.map(([, , refused]) => refused)).toEqual([undefined, "first"]);
  expect(refusals).toEqual([]);
});

test("a token of the endpoint that names no user is not for a user's rows, and is for the rows of no user", async () => {
  const theirs = await workerStorage("u", ["opaque"]);
  const refused = expect(clock.waitFor(theirs.storage.sharedToken("initial", theirs.endpoint)));
  await refused.rejects.toThrow("names no user");
  const nobodys = await workerStorage("", ["opaque"]);
  expect(await clock.waitFor(nobodys.storage.sharedToken("initial", nobodys.endpoint))).toBe("opaque");
  await expect(clock.waitFor(nobodys.storage.sharedToken("initial", undefined))).rejects.toThrow("tokenUrl");
});
