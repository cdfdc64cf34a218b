// The outbox without storage from the start: publications stay in memory, are not durable, and
// arrive.

import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";
import { errorCodes, openClient, publishSome } from "./support/storage.js";

test("without storage publications stay in memory, report it, and arrive", async ({ page, hub }) => {
  const durable = await page.evaluate(
    async ([url, options]) => {
      Object.defineProperty(globalThis, "indexedDB", { value: undefined });
      globalThis.opened = longhaul.open(url, options);
      const receipt = await opened.client.topic("t").publish({ by: "page", n: 1 });
      await receipt.acked;
      return receipt.durable;
    },
    [hub.url, quick] as const,
  );
  expect(durable).toBe(false);
  const entries = await hubEntries<{ n: number }>(hub, "t");
  expect(entries.map(({ data }) => data.n)).toEqual([1]);
});

test("the client gives up storage that never opens after three seconds, and keeps publications in memory", async ({
  page,
  hub,
}) => {
  await page.evaluate(() => {
    // The first open after Safari starts can hang so (WebKit 226547).
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (name) {
      const request = open.call(this, `${name} of another`);
      Object.defineProperty(request, "onsuccess", { set() {} });
      Object.defineProperty(request, "onupgradeneeded", { set() {} });
      return request;
    };
  });
  await openClient(page, hub.url);
  const begunMs = Date.now();
  expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(false));
  expect(Date.now() - begunMs).toBeLessThan(10_000);
  await page.waitForFunction(() => opened.client.metrics().acks === 3);
  expect(await errorCodes(page)).toEqual([]);
});

for (const [how, act] of [
  [
    "throws when it is opened",
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("The operation is insecure.", "SecurityError");
      };
    },
  ],
  [
    "fails to open",
    () => {
      const { open } = IDBFactory.prototype;
      // Firefox did this in private windows: an error event.
      IDBFactory.prototype.open = function (name) {
        const request = open.call(this, `${name} of another`);
        request.addEventListener("upgradeneeded", (event) => {
          event.stopImmediatePropagation();
          request.transaction?.abort();
        });
        return request;
      };
    },
  ],
] as const) {
  test(`storage that ${how}, as in private windows: publications stay in memory and report it`, async ({
    page,
    hub,
  }) => {
    await page.evaluate(act);
    await openClient(page, hub.url);
    expect(await publishSome(page, 1, 3)).toEqual(Array(3).fill(false));
    await page.waitForFunction(() => opened.client.metrics().acks === 3);
    expect(await page.evaluate(() => opened.client.outbox.size)).toBe(0);
  });
}
