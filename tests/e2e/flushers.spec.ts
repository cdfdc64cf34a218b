// Several flushers of one outbox. Tabs and the service worker send the same rows, alone, at once or
// one after another; each row takes effect once and in order.

import type { Page } from "@playwright/test";
import type { Hub } from "./support/hub.js";
import { hubEntries } from "./support/hub.js";
import { expect, isConnected, sockets, timed } from "./support/network.js";
import { conserved, isEmpty, publish, verdicts } from "./support/rows.js";
import { type Tab, type Tabs, test } from "./support/tabs.js";
import { Worker } from "./support/worker.js";

const publications = /^pub /gm;

/** Counts the publications that a page sends over its sockets. */
function countSent(page: Page): { sent: number } {
  const count = { sent: 0 };
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => {
      count.sent += String(payload).match(publications)?.length ?? 0;
    });
  });
  return count;
}

async function connect(page: Page, url: string): Promise<void> {
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
    },
    [url, sockets] as const,
  );
  await isConnected(page);
}

/**
 * Connects a page and waits until it is the leader. It asks for the lock once it is connected, and
 * gets it later.
 */
async function connectLeader(page: Page, url: string): Promise<void> {
  await connect(page, url);
  const locks = () =>
    page.evaluate(async () => (await navigator.locks.query()).held?.map(({ name }) => name));
  await expect.poll(locks).toContainEqual(expect.stringMatching(/^longhaul:outbox:/));
}

async function count(hub: Hub): Promise<number> {
  return (await hubEntries(hub, "t")).length;
}

/** Counts what a page sends, and withholds the hub's frames from it until `release`. */
async function withhold(page: Page): Promise<{ sent: number; release: () => void }> {
  const withheld: (() => void)[] = [];
  let isOver = false;
  const state = {
    sent: 0,
    release: () => {
      isOver = true;
      for (const pass of withheld) pass();
    },
  };
  await page.routeWebSocket(/./, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((frame) => {
      state.sent += String(frame).match(publications)?.length ?? 0;
      server.send(frame);
    });
    server.onMessage((frame) => {
      if (isOver || !/^n?ack /m.test(String(frame))) socket.send(frame);
      else withheld.push(() => socket.send(frame));
    });
  });
  await page.reload();
  await page.waitForFunction(() => "longhaul" in globalThis);
  return state;
}

test("s22: two tabs and the service worker flush the same 200 rows at once, without locks", async ({
  page,
  newPage,
  hub,
}) => {
  const pages = [page, await newPage()];
  const lines = await Promise.all(pages.map(withhold));
  for (const page of pages) {
    await page.evaluate(() => Object.defineProperty(navigator, "locks", { value: undefined }));
    await connect(page, hub.url);
  }
  const worker = await Worker.install(page, "/sw-probed.js?without=locks");
  const topics = ["t", "u", "v", "w"];
  await Promise.all(
    pages.map((page, i) => publish(page, hub.url, { count: 100, by: `page ${i}`, topics, options: sockets })),
  );
  await expect.poll(() => lines.map(({ sent }) => sent)).toEqual([200, 200]);
  // No verdict has arrived. The worker is the third to send all rows, and passes its verdicts to
  // the tabs.
  await worker.sync();
  const acks = (await Promise.all(pages.map(verdicts))).flat();
  expect(acks.map(({ duplicate }) => duplicate)).toEqual(Array(200).fill(true));
  expect(await worker.outcome("sync")).toBe("done");
  for (const { release } of lines) release();
  await conserved(hub, ...pages);
});

test("s25: a sync event while a tab sends does not take its rows away", async ({ page, hub }) => {
  const line = await withhold(page);
  const worker = await Worker.install(page, "/sw-probed.js?without=locks");
  await connect(page, hub.url);
  await publish(page, hub.url, { count: 200, options: sockets });
  await expect.poll(() => line.sent).toBe(200);
  // The tab has no verdict when the worker sends its rows too.
  await worker.sync();
  await publish(page, hub.url, { count: 200, options: sockets });
  expect(await worker.outcome("sync")).toBe("done");
  line.release();
  await conserved(hub, page);
});

test("s30: rows that the service worker sends before the tab's own post arrive once and in order", async ({
  page,
  hub,
}) => {
  const worker = await Worker.install(page, "/sw-probed.js?without=locks");
  let held = 0;
  let release = (): void => {};
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route("**/v1/publish", async (route) => {
    held++;
    await until;
    await route.continue();
  });
  await publish(page, hub.url, { count: 1, options: { ...sockets, transports: ["longpoll"] } });
  await expect.poll(() => held).toBe(1);
  await publish(page, hub.url, { count: 1 });
  await worker.sync();
  expect(await worker.outcome("sync")).toBe("done");
  expect(await count(hub)).toBe(2);
  release();
  await conserved(hub, page);
});

test("s29: when the leading tab is closed while it sends, another one continues within 2 s", async ({
  page,
  newPage,
  hub,
  line,
}) => {
  const other = await newPage();
  const counts = [countSent(page), countSent(other)];
  await connectLeader(page, line.url);
  await connect(other, line.url);
  await line.setFaults({ down: { latencyMs: 300 } });
  await publish(other, line.url, { count: 600 });
  await expect.poll(() => count(hub)).toBeGreaterThan(0);
  // The browser reports frames late, so the hub may have them before this counts them.
  await expect.poll(() => counts.map(({ sent }) => sent > 0)).toEqual([true, false]);
  const tookMs = await timed(async () => {
    await page.close();
    await expect.poll(() => counts[1]?.sent, { intervals: [50] }).toBeGreaterThan(0);
  });
  expect(tookMs).toBeLessThan(2_000);
  await conserved(hub, other);
});

async function openTab(tabs: Tabs, url: string): Promise<Tab> {
  const tab = await tabs.open(url);
  await tab.waitForFunction(() => "longhaul" in globalThis);
  await tab.show();
  return tab;
}

test("s23: when the leading tab freezes, another one takes over, and the first sends nothing stale afterwards", async ({
  tabs,
  siteUrl,
  hub,
  line,
}) => {
  const leader = await openTab(tabs, siteUrl);
  await connectLeader(leader.page, line.url);
  // Its socket accepts everything and delivers nothing.
  await line.strand();
  const other = await openTab(tabs, siteUrl);
  await connect(other.page, line.url);
  await publish(leader.page, line.url, { count: 50 });
  await leader.freeze("frozen");
  await publish(other.page, line.url, { count: 50, by: "other" });
  expect(await verdicts(other.page)).toHaveLength(50);
  await expect.poll(() => count(hub)).toBe(100);
  await leader.freeze("active");
  await conserved(hub, leader.page, other.page);
  await leader.evaluate(() => opened.client.close());
  await other.evaluate(() => opened.client.close());
});

declare global {
  var seen: { sent: number; transactions: number; isFrozen: boolean; watch: () => void };
}

/**
 * Counts the page's publications and open transactions, and receives the news that another tab is
 * frozen.
 */
function watchItself(): void {
  globalThis.seen = { sent: 0, transactions: 0, isFrozen: false, watch: () => {} };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    seen.sent += String(data).match(/^pub /gm)?.length ?? 0;
    send.call(this, data);
  };
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (...args) {
    const begun = transaction.apply(this, args);
    seen.transactions++;
    for (const end of ["complete", "abort"]) begun.addEventListener(end, () => seen.transactions--);
    return begun;
  };
  new BroadcastChannel("frozen").onmessage = () => {
    seen.isFrozen = true;
  };
  // The check for a silent leader. The test triggers it, a minute later by the page's own clock.
  const start = globalThis.setInterval;
  globalThis.setInterval = ((act: () => void, ms: number) => {
    if (ms !== 15_000) return start(act, ms);
    seen.watch = () => {
      const { now } = Date;
      Date.now = () => now() + 60_000;
      act();
      Date.now = now;
    };
    return start(() => {}, ms);
  }) as typeof setInterval;
}

/**
 * Freezes the tab and tells the others, because its own scripts get no event. Chromium delivers
 * messages between event and freeze, which could open a transaction. Such messages wait until the
 * freeze is over.
 */
function freezeSilently(): void {
  const channel = new BroadcastChannel("frozen");
  let late: (() => void)[] | undefined;
  const { set } = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, "onmessage") ?? {};
  Object.defineProperty(BroadcastChannel.prototype, "onmessage", {
    set(deliver: (event: MessageEvent) => void) {
      set?.call(this, (event: MessageEvent) => {
        if (late === undefined) deliver(event);
        else late.push(() => deliver(event));
      });
    },
  });
  const frozen = (event: Event): void => {
    event.stopImmediatePropagation();
    late = [];
    channel.postMessage("frozen");
  };
  const resumed = (event: Event): void => {
    event.stopImmediatePropagation();
    const delayed = late ?? [];
    late = undefined;
    for (const deliver of delayed) deliver();
  };
  document.addEventListener("freeze", frozen, true);
  document.addEventListener("resume", resumed, true);
}

for (const how of ["freezes silently", "falls silent"] as const) {
  test(`s23: a tab that ${how} while it sends loses the lock after a minute, and sends nothing more`, async ({
    tabs,
    siteUrl,
    hub,
    line,
  }) => {
    const sent = async (tab: Tab) => (await tab.evaluate(() => seen.sent)) as number;
    const leader = await openTab(tabs, siteUrl);
    await leader.evaluate(watchItself);
    await leader.evaluate(freezeSilently);
    await connectLeader(leader.page, line.url);
    // Its socket accepts everything and delivers nothing.
    await line.strand();
    const other = await openTab(tabs, siteUrl);
    await other.evaluate(watchItself);
    await connect(other.page, line.url);
    await publish(leader.page, line.url, { count: 300 });
    await leader.waitForFunction(() => seen.sent === 256);
    // A tab frozen within a transaction blocks the transactions of all: docs/decisions/outbox.md.
    await leader.waitForFunction(() => seen.transactions === 0);
    if (how === "freezes silently") {
      await leader.freeze("frozen");
      await other.waitForFunction(() => seen.isFrozen);
    }
    await publish(other.page, line.url, { count: 50, by: "other" });
    expect(await sent(other)).toBe(0);
    await other.evaluate(() => seen.watch());
    expect(await verdicts(other.page)).toHaveLength(50);
    expect(await count(hub)).toBe(350);
    if (how === "freezes silently") await leader.freeze("active");
    await publish(leader.page, line.url, { count: 10 });
    await verdicts(leader.page);
    expect([await sent(leader), await sent(other)]).toEqual([256, 360]);
    await conserved(hub, leader.page, other.page);
    await leader.evaluate(() => opened.client.close());
    await other.evaluate(() => opened.client.close());
  });
}

/** Leaves the page for another one; the browser can restore it from its cache. */
async function leave(tab: Tab, siteUrl: string): Promise<void> {
  await tab.evaluate(() =>
    addEventListener("pageshow", ({ persisted }) => Object.assign(globalThis, { persisted })),
  );
  await tab.evaluate((url) => location.assign(`${url}sw-module.js`), siteUrl);
  await tab.waitForFunction(() => location.pathname !== "/" && document.readyState === "complete");
}

async function comeBack(tab: Tab): Promise<void> {
  await tab.show();
  await tab.evaluate(() => history.back());
  await tab.waitForFunction(() => "opened" in globalThis);
  expect(await tab.evaluate(() => (globalThis as { persisted?: boolean }).persisted)).toBe(true);
}

test("a tab in the back-forward cache holds neither lock nor channel, and continues when it is restored", async ({
  tabs,
  siteUrl,
  hub,
}) => {
  const tab = await openTab(tabs, siteUrl);
  await connect(tab.page, hub.url);
  await publish(tab.page, hub.url, { count: 1, topics: ["before"] });
  await verdicts(tab.page);
  await leave(tab, siteUrl);
  expect(await tab.evaluate(async () => (await navigator.locks.query()).held)).toEqual([]);
  const other = await openTab(tabs, siteUrl);
  await publish(other.page, hub.url, { count: 50, by: "other" });
  await conserved(hub, other.page);
  await comeBack(tab);
  await other.evaluate(() => opened.client.close());
  await publish(tab.page, hub.url, { count: 50, topics: ["after"] });
  await conserved(hub, tab.page);
  await tab.evaluate(() => opened.client.close());
});

test("s23: a restored tab finds the verdicts of its time in the back-forward cache in storage", async ({
  tabs,
  siteUrl,
  hub,
  line,
}) => {
  const tab = await openTab(tabs, siteUrl);
  await connectLeader(tab.page, line.url);
  // Its socket accepts everything and delivers nothing.
  await line.strand();
  await publish(tab.page, line.url, { count: 50 });
  await leave(tab, siteUrl);
  const other = await openTab(tabs, siteUrl);
  await connect(other.page, line.url);
  await expect.poll(() => count(hub)).toBe(50);
  await isEmpty(other.page);
  await other.evaluate(() => opened.client.close());
  await comeBack(tab);
  await conserved(hub, tab.page);
  await tab.evaluate(() => opened.client.close());
});
