// Tabs that share an outbox, when storage or the wasm goes away under one of them.

import type { Page } from "@playwright/test";
import { expect, quick, test } from "./support/fixtures.js";
import { end, openClient, publishSome } from "./support/storage.js";

const mute = { ...quick, transports: ["websocket"] } as const;

/** Its sockets stay silent: whatever arrives was sent by somebody else. */
async function isMute(page: Page): Promise<void> {
  await page.evaluate(() => {
    globalThis.WebSocket = class extends EventTarget {
      readyState = 0;
      send(): void {}
      close(): void {}
    } as unknown as typeof WebSocket;
  });
}

declare global {
  var databases: IDBDatabase[];
  /** Kinds of the notices that have come from other tabs. */
  var heard: string[];
}

test("s13: a tab that has not noticed that storage is another one takes no word of it for its own rows", async ({
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
  await openClient(page, hub.url, mute);
  await page.evaluate(async (url) => {
    const { acked, id } = await opened.client.topic("t").publish({ by: "page", n: 1 });
    globalThis.kept = [{ id, topic: "t", deferred: undefined, acked }];
    globalThis.heard = [];
    new BroadcastChannel(`longhaul:outbox:longhaul ${url}/ `).onmessage = ({ data }) => {
      for (const [kind] of data) heard.push(kind);
    };
    // The browser does so without a word where its own storage process dies.
    for (const database of databases) database.close();
    await new Promise((resolve) => {
      indexedDB.deleteDatabase("longhaul").onsuccess = resolve;
    });
  }, hub.url);
  await openClient(other, hub.url);
  await publishSome(other, 2, 1);
  await page.waitForFunction(() => heard.includes("acked"));
  const before = await page.evaluate(() => Promise.race([kept[0]?.acked, Promise.resolve("waits")]));
  expect(before).toBe("waits");
  // It looks at last.
  expect(await publishSome(page, 3, 1)).toEqual([true]);
  expect(await page.evaluate(() => kept[0]?.acked.catch(({ code }) => code))).toBe("outbox_lost");
  await end(other, hub, { log: [2, 3] });
});
