// A hole that stays open and a flood behind it: the client keeps a limited amount, and delivers all
// messages once the hole is filled.

import type { Page } from "@playwright/test";
import { fakeHub } from "./support/fake-hub.js";
import { expect, quick, test } from "./support/fixtures.js";

const epoch = "00c0ffee00c0ffee";
const lost = 57;
const last = 20_057;
const text = "x".repeat(1_000);

const message = (no: string, seq: number) =>
  `m ${no} ${seq} ${seq} 1763779200000 - {"n":${seq},"text":"${text}"}`;

/** The bytes that the page's JavaScript holds after garbage collection. */
async function heapBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, embedderHeapUsedSize, backingStorageSize } = (await session.send(
    "Runtime.getHeapUsage",
  )) as Record<string, number>;
  return (usedSize ?? 0) + (embedderHeapUsedSize ?? 0) + (backingStorageSize ?? 0);
}

test("s46: behind a lost message the client does not keep 20 MB, and delivers all once it arrives", async ({
  page,
}) => {
  let isFilled = false;
  let asked = 0;
  let startFlood = () => {};
  const hub = await fakeHub((socket) => {
    let no = "";
    startFlood = () => {
      for (let seq = lost + 1; seq <= last; seq++) socket.send(message(no, seq));
      socket.send("close 1001 the flood is over");
    };
    socket.on("message", (frame) => {
      for (const record of String(frame).split("\n")) {
        const [verb, field = "", , from = ""] = record.split(" ");
        if (verb === "hello") socket.send("welcome s1 1763779200000");
        if (verb === "ping") socket.send(`pong ${field}`);
        if (verb !== "sub") continue;
        asked++;
        no = field;
        const after = Number(from.split("/")[1] ?? 0);
        socket.send(`subscribed ${no} ${epoch} ${after} ${after} ${last}`);
        if (after === 0) for (let seq = 1; seq < lost; seq++) socket.send(message(no, seq));
        if (isFilled) for (let seq = after + 1; seq <= last; seq++) socket.send(message(no, seq));
      }
    });
  });
  await page.evaluate(
    ([url, quick]) => {
      globalThis.opened = longhaul.open(url, { ...quick, transports: ["websocket"] });
      const seqs: number[] = [];
      Object.assign(globalThis, { seqs });
      opened.client.topic("t").subscribe(({ seq }) => seqs.push(seq), { from: "start" });
    },
    [hub.url, quick] as const,
  );
  const seqs = () => page.evaluate(() => (globalThis as unknown as { seqs: number[] }).seqs);
  await expect.poll(async () => (await seqs()).length).toBe(lost - 1);
  const before = await heapBytes(page);
  startFlood();
  await page.waitForFunction(() => opened.client.metrics().connects >= 2);
  // 256 messages are 0.3 MB; the rest belongs to the engine.
  expect((await heapBytes(page)) - before).toBeLessThan(5_000_000);
  expect(await seqs()).toHaveLength(lost - 1);
  expect(await page.evaluate(() => opened.client.metrics().bytesReceived)).toBeGreaterThan(20_000_000);
  expect(asked).toBeLessThan(1 + 20_000 / 64);
  isFilled = true;
  await page.evaluate(() => opened.client.reconnect());
  // Twenty thousand frames take a busy machine some time.
  await expect.poll(async () => (await seqs()).length, { timeout: 60_000 }).toBe(last);
  hub.close();
  expect(await seqs()).toEqual(Array.from({ length: last }, (_, i) => i + 1));
});
