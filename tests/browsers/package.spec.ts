// The parts of the package that depend on the engine: documents with their own wasm, signatures by
// WebCrypto, a wasm that crashes.

import type * as api from "longhaul";
import { watchInstances } from "../e2e/support/crash.js";
import { isConnected, open, publish } from "../e2e/support/network.js";
import { begin, expect, test } from "./support/fixtures.js";

declare global {
  var titled: { document: api.Document<{ title: string }>; values: unknown[] };
}

test("a page follows, patches and confirms a document", async ({ driven, hub }) => {
  const { page } = driven;
  await page.evaluate((url) => {
    const document = longhaul.connect(url).document<{ title: string }>("plan");
    globalThis.titled = { document, values: [] };
    document.subscribe((value) => titled.values.push(value));
  }, hub.url);
  await page.evaluate(async () => {
    const receipts = [
      await titled.document.merge({ title: "Plan" }),
      await titled.document.patch([{ op: "replace", path: "/title", value: "Ädvent 🎄" }]),
    ];
    for (const { acked } of receipts) await acked;
  });
  await page.waitForFunction(() => titled.document.pending === 0);
  const of = await page.evaluate(() => [titled.document.confirmed, titled.values.at(-1)]);
  expect(of).toEqual([{ title: "Ädvent 🎄" }, { title: "Ädvent 🎄" }]);
  expect(await (await fetch(`${hub.url}/v1/topics/plan`)).json()).toEqual({ title: "Ädvent 🎄" });
});

test("signed messages are believed, and an unsigned one is reported as a gap", async ({ driven, hub }) => {
  const { page } = driven;
  const headers = { "content-type": "application/json" };
  const log = await page.evaluate(
    async ([url, headers]) => {
      globalThis.opened = longhaul.open(url);
      const key = crypto.getRandomValues(new Uint8Array(32));
      const topic = longhaul.signed(opened.client.topic("t"), key);
      await (await topic.publish({ by: "me", n: 1 })).acked;
      await fetch(`${url}/v1/topics/t`, { method: "POST", headers, body: "7" });
      await (await topic.publish({ by: "me", n: 3 })).acked;
      const log: unknown[] = [];
      const onGap = ({ fromSeq, toSeq }: api.Gap) => log.push(`${fromSeq} to ${toSeq} are no message`);
      topic.subscribe(({ data }) => log.push(data), { from: "start", onGap });
      while (log.length < 3) await new Promise(requestAnimationFrame);
      return log;
    },
    [hub.url, headers] as const,
  );
  expect(log).toEqual([{ by: "me", n: 1 }, "2 to 2 are no message", { by: "me", n: 3 }]);
});

test("s59: a wasm whose memory is overwritten is replaced, with nothing lost or doubled", async ({
  driven,
  hub,
}) => {
  const { page } = driven;
  await watchInstances(page);
  await open(page, hub.url);
  await publish(page, 1, 20);
  await isConnected(page);
  await begin(page, 21, 20);
  expect(await page.evaluate(() => crash.corrupt("core_start"))).toBe(1);
  await begin(page, 41, 20);
  await page.waitForFunction(() => recorded.log.length >= 60);
  const seen = await page.evaluate(() => ({
    log: recorded.log.map(({ seq, data, gap }) => gap ?? [seq, data.n]),
    errors: opened.errors.map(({ code }) => code),
    made: crash.made("core_start"),
  }));
  expect(seen).toEqual({
    log: Array.from({ length: 60 }, (_, i) => [i + 1, i + 1]),
    errors: ["client_crashed"],
    made: 2,
  });
  await isConnected(page);
});
