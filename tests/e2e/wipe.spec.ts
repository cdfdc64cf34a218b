// A wipe during the service worker's flush: publications in flight may take effect, no others are
// sent, and none comes back.

import type { Page } from "@playwright/test";
import { expect, rowsSeen, signIn, test } from "./support/guarded.js";
import { hubEntries } from "./support/hub.js";
import { publish } from "./support/rows.js";
import { dump } from "./support/storage.js";
import { mute, silentPage, Worker } from "./support/worker.js";

/** More than two windows of rule C8. */
const count = 600;

/** The outcome of each publication of the page: its seq, or the reason of its rejection. */
async function outcomes(page: Page): Promise<(number | string)[]> {
  return page.evaluate(() =>
    Promise.all(
      publications.map(({ acked }) =>
        acked.then(
          ({ seq }) => seq,
          ({ code }) => String(code),
        ),
      ),
    ),
  );
}

for (const [moment, what] of [
  ["before the hub has what it sends", "posts"],
  ["before it receives the verdicts", "answers"],
] as const) {
  test(`s55: a wipe while the service worker flushes, ${moment}, leaves no row anywhere and sends no other`, async ({
    page,
    newPage,
    hub,
    gate,
  }) => {
    const worker = await Worker.install(page, "/sw-probed.js");
    gate.signIn("a");
    const tabs = [];
    for (let i = 0; i < 2; i++) {
      const tab = await silentPage(newPage);
      await signIn(tab, gate, "a", mute);
      tabs.push(tab);
    }
    const [writer, other] = tabs as [Page, Page];
    await publish(writer, gate.url, { count, by: "a" });
    await expect.poll(() => rowsSeen(other)).toEqual([count, count]);

    let release = (): void => {};
    gate.hold(
      what,
      new Promise<void>((resolve) => {
        release = resolve;
      }),
    );
    await worker.sync();
    await expect.poll(() => gate.passed().length).toBeGreaterThan(0);
    const sent = gate.passed().length;
    expect(sent).toBeLessThan(count);
    if (what === "answers") await expect.poll(() => hubEntries(hub, "t").catch(() => [])).toHaveLength(sent);
    await writer.evaluate(() => opened.client.outbox.wipe());
    for (const tab of tabs) await expect.poll(() => rowsSeen(tab)).toEqual([0, 0]);
    expect(await dump(page)).toEqual({ rows: [], deadLetters: [] });
    release();
    expect(await worker.outcome("sync")).toBe("done");
    expect(await outcomes(writer)).toEqual(Array(count).fill("wiped"));

    await publish(writer, gate.url, { count: 1, by: "later" });
    expect(await worker.flush()).toBe("done");
    for (const tab of tabs) await expect.poll(() => rowsSeen(tab)).toEqual([0, 0]);
    expect(
      gate
        .passed()
        .slice(sent)
        .map(({ data }) => data.by),
    ).toEqual(["later"]);
    const entries = await hubEntries<{ by: string }>(hub, "t");
    expect(entries).toHaveLength(sent + 1);
    expect(await dump(page)).toEqual({ rows: [], deadLetters: [] });
    for (const tab of tabs) expect(await tab.evaluate(() => opened.client.outbox.deadLetters())).toEqual([]);
  });
}
