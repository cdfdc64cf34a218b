// Tabs that share an outbox, when storage or the wasm of one of them goes away.

import type { Page } from "@playwright/test";
import { watchInstances } from "./support/crash.js";
import { expect, quick, test } from "./support/fixtures.js";
import { publish } from "./support/rows.js";
import { end, openClient, publishSome } from "./support/storage.js";
import { isMute, mute } from "./support/worker.js";

declare global {
  var databases: IDBDatabase[];
  /** The types of the tab messages from other tabs. */
  var tabMessages: string[];
}

test("s13: a tab that has not noticed a new storage ignores tab messages about the old one", async ({
  page,
  newPage,
  hub,
}) => {
  const other = await newPage();
  await isMute(page);
  await page.evaluate(() => {
    globalThis.databases = [];
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (...args) {
      const request = open.apply(this, args);
      request.addEventListener("success", () => databases.push(request.result));
      return request;
    };
  });
  await publish(page, hub.url, { count: 1, options: mute });
  await page.evaluate(async (url) => {
    globalThis.tabMessages = [];
    new BroadcastChannel(`longhaul:outbox:longhaul ${url}/ `).onmessage = ({ data }) => {
      for (const [kind] of data) tabMessages.push(kind);
    };
    // The browser does so silently if its own storage process dies.
    for (const database of databases) database.close();
    await new Promise((resolve) => {
      indexedDB.deleteDatabase("longhaul").onsuccess = resolve;
    });
  }, hub.url);
  await openClient(other, hub.url);
  await publishSome(other, 2, 1);
  await page.waitForFunction(() => tabMessages.includes("acked"));
  const before = await page.evaluate(() => Promise.race([publications[0]?.acked, Promise.resolve("waits")]));
  expect(before).toBe("waits");
  // It reads storage at last.
  expect(await publishSome(page, 3, 1)).toEqual([true]);
  expect(await page.evaluate(() => publications[0]?.acked.catch(({ code }) => code))).toBe("outbox_lost");
  await end(other, hub, { log: [2, 3] });
});

declare global {
  /** Lets the next instances of the wasm start. */
  var begin: () => void;
  /** The result of the call that the crash interrupted. */
  var cut: Promise<string>;
}

/**
 * Opens a page that does not send, with a row n = 1 that waits for its verdict. It publishes n = 2
 * and crashes once storage has that row and no tab knows of it. The next instance waits for
 * `begin`.
 */
async function cutOff(page: Page, url: string): Promise<void> {
  await isMute(page);
  await watchInstances(page);
  await publish(page, url, { count: 1, options: mute });
  await page.evaluate(async () => {
    const { instantiate } = WebAssembly;
    const begun = new Promise<void>((resolve) => {
      globalThis.begin = resolve;
    });
    WebAssembly.instantiate = (async (...args: Parameters<typeof instantiate>) => {
      await begun;
      return instantiate(...args);
    }) as typeof instantiate;
    const { add } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.add = function (...args) {
      IDBObjectStore.prototype.add = add;
      // This listener must run before all others.
      this.transaction.addEventListener("complete", () => crash.corrupt("core_start"));
      return add.apply(this, args);
    };
    const call = opened.client.topic("t").publish({ by: "page", n: 2 });
    globalThis.cut = call.then(
      async ({ durable, acked }) => `durable: ${durable}, seq ${(await acked).seq}`,
      ({ code }) => code,
    );
    while (opened.errors.length === 0) await new Promise(requestAnimationFrame);
  });
}

test("s59: a row saved during a crash that got its verdict through another tab is published once", async ({
  page,
  newPage,
  hub,
}) => {
  const other = await newPage();
  await cutOff(page, hub.url);
  await openClient(other, hub.url);
  await end(other, hub, { log: [1, 2] });
  await page.evaluate(() => begin());
  expect(await page.evaluate(() => cut)).toBe("durable: true, seq 2");
  expect(await page.evaluate(async () => (await publications[0]?.acked)?.seq)).toBe(1);
  expect(await publishSome(page, 3, 1)).toEqual([true]);
  await end(other, hub, { log: [1, 2, 3] });
});

test("s59: a row saved during a crash that is still stored is published once", async ({
  page,
  newPage,
  hub,
}) => {
  const other = await newPage();
  await cutOff(page, hub.url);
  await page.evaluate(() => begin());
  await publishSome(page, 3, 1);
  await openClient(other, hub.url);
  expect(await page.evaluate(() => cut)).toBe("durable: true, seq 2");
  await end(other, hub, { log: [1, 2, 3] });
});

test("s55: a wipe during the crash of another tab's wasm also removes the row saved there", async ({
  page,
  newPage,
  hub,
}) => {
  const other = await newPage();
  await isMute(other);
  await cutOff(page, hub.url);
  await openClient(other, hub.url, mute);
  await other.evaluate(() => opened.client.outbox.wipe());
  await page.evaluate(() => begin());
  expect(await page.evaluate(() => cut)).toBe("outcome_unknown");
  expect(await page.evaluate(() => publications[0]?.acked.catch(({ code }) => code))).toBe("wiped");
  expect(await page.evaluate(() => opened.client.outbox.rows())).toEqual([]);
});

declare global {
  /** Completes a transaction that was held back. */
  var letComplete: () => void;
}

test("s24: a tab that opens between an outcome and its storage counts no row too many afterwards", async ({
  page,
  newPage,
  hub,
}) => {
  const held: (() => void)[] = [];
  let isOver = false;
  await page.routeWebSocket(/./, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((frame) => {
      if (isOver || !/^ack /m.test(String(frame))) socket.send(frame);
      else held.push(() => socket.send(frame));
    });
  });
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  const other = await newPage();
  await openClient(page, hub.url, { ...quick, transports: ["websocket"] });
  await page.evaluate(() => longhaul.reaches(opened.client, "connected"));
  await publish(page, hub.url, { count: 1 });
  await expect.poll(() => held.length).toBe(1);
  // Storage has the second outcome, but the tab does not know it and can't store a new one now.
  await page.evaluate(async () => {
    const { transaction } = IDBDatabase.prototype;
    const held = new Promise<void>((resolve) => {
      IDBDatabase.prototype.transaction = function (...args) {
        IDBDatabase.prototype.transaction = transaction;
        const begun = transaction.apply(this, args);
        const hold = (event: Event) => {
          begun.removeEventListener("complete", hold);
          event.stopImmediatePropagation();
          globalThis.letComplete = () => begun.dispatchEvent(new Event("complete"));
          resolve();
        };
        begun.addEventListener("complete", hold);
        return begun;
      };
    });
    void opened.client.topic("t").publish({ by: "page", n: 2 });
    await held;
  });
  isOver = true;
  for (const pass of held) pass();
  await page.evaluate(() => publications[0]?.acked);
  await openClient(other, hub.url);
  await other.waitForFunction(() => opened.client.outbox.size === 2);
  await page.evaluate(() => letComplete());
  await end(page, hub, { log: [1, 2] });
  await other.waitForFunction(() => opened.client.outbox.size === 0);
});
