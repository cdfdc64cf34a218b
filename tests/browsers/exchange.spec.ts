// The built package in Firefox and WebKitGTK: every transport, and the recovery from a dead line, a
// half-open line and a page that was left.

import type * as api from "longhaul";
import { hasAll, isOver, open, publish, quick, shortHeartbeat, waits } from "../e2e/support/network.js";
import { begin, expect, test } from "./support/fixtures.js";

const transports: readonly api.TransportName[] = ["websocket", "eventsource", "longpoll"];

/** The browsers' names in WebDriver. */
const names = { firefox: "firefox", webkit: "MiniBrowser" };

for (const transport of transports) {
  test(`${transport}: the page receives its publications, and waits for a line that is down`, async ({
    driven,
    engine,
    line,
  }) => {
    expect(await driven.browserName()).toBe(names[engine]);
    const { page } = driven;
    await open(page, line.url, { ...quick, transports: [transport] });
    await isOver(page, transport);
    expect((await publish(page, 1, 50)).map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
      Array.from({ length: 50 }, (_, i) => [i + 1, false]),
    );
    await hasAll(page, 50);

    // A cut alone may go unnoticed, because Firefox repeats a poll by itself. So the line stays
    // silent for a while.
    await begin(page, 51, 50);
    await line.kill();
    await waits(page, 1);
    await begin(page, 101, 20);
    await line.restart();
    await hasAll(page, 120);
    await isOver(page, transport);
  });
}

for (const transport of transports) {
  test(`s52 a10: ${transport}: a page that was left continues on its return, from the cache or from its position`, async ({
    driven,
    engine,
    hub,
    siteUrl,
  }) => {
    const { page } = driven;
    const follow = async () => {
      await page.evaluate(
        ([url, options]) => {
          globalThis.opened = longhaul.open(url, options);
          globalThis.recorded = longhaul.record(opened.client, "t");
          addEventListener("pageshow", ({ persisted }) => {
            document.title = persisted ? "from the cache" : "loaded";
          });
        },
        // A client that does not notice the return would wait for a minute.
        [
          hub.url,
          {
            transports: [transport],
            resume: true,
            backoff: { baseMs: 60_000, capMs: 60_000, jitter: "none" },
          },
        ] as const,
      );
      await isOver(page, transport);
    };
    await follow();
    await publish(page, 1, 5);
    await hasAll(page, 5);
    await driven.leave(`${siteUrl}page.js`);
    for (let n = 6; n <= 20; n++) {
      const posted = { method: "POST", headers: { "content-type": "application/json" } };
      await fetch(`${hub.url}/v1/topics/t`, { ...posted, body: JSON.stringify({ by: "back end", n }) });
    }
    await driven.goBack();
    // Firefox decides before `pagehide` not to keep a page with an open connection.
    if (engine === "webkit") {
      await page.waitForFunction(() => document.title === "from the cache");
      await hasAll(page, 20);
      // WebKit aborts requests before it reports that the user left, so a poll is lost and not
      // closed.
      const code = transport === "longpoll" ? "connection_lost" : "page_suspended";
      expect(await waits(page)).toMatchObject([{ code }]);
    } else {
      await page.waitForFunction(() => "longhaul" in globalThis && !("opened" in globalThis));
      await follow();
      await page.waitForFunction(() => recorded.log.length >= 15);
      const seqs = await page.evaluate(() => recorded.log.map(({ seq, gap }) => gap ?? seq));
      expect(seqs).toEqual(Array.from({ length: 15 }, (_, i) => i + 6));
    }
  });
}

test("s08: the client detects and leaves a half-open line by its silence, with nothing lost or doubled", async ({
  driven,
  line,
}) => {
  const { page } = driven;
  await open(page, line.url, shortHeartbeat);
  await publish(page, 1, 5);
  await line.strand();
  await publish(page, 6, 20);
  await hasAll(page, 25);
  expect((await waits(page, 1))[0]?.code).toBe("heartbeat_timeout");
});
