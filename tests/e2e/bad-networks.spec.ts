// Networks that lose, delay and cut: the client loses and doubles nothing.

import {
  expect,
  hasAll,
  isConnected,
  open,
  publish,
  publishFresh,
  shortHeartbeat,
  sockets,
  test,
  timed,
  waits,
} from "./support/network.js";

/** Publishes messages of some 600 bytes. */
const heavy = "page".padEnd(600, ".");

test.describe("bad networks", () => {
  test("s07: connections that are reset during publications lose and double nothing", async ({
    page,
    peer: reader,
    line,
  }) => {
    await open(page, line.url);
    await isConnected(page);
    // Until the end the page publishes and connections die, at random moments.
    for (let round = 0; round < 10; round++) {
      const acks = publish(page, round * 40 + 1, 40);
      await line.cut();
      await isConnected(page);
      await line.cut();
      await acks;
    }
    await hasAll(page, 400);
    await hasAll(reader, 400);
    expect((await waits(page)).length).toBeGreaterThanOrEqual(10);
  });

  test("short-lived connections are enough if each of them lasts for a frame", async ({
    page,
    peer: writer,
    line,
  }) => {
    // A frame has at most 64 KiB; each connection dies in the middle of its second one.
    const resetAfterBytes = 100_000;
    await publish(writer, 1, 600, heavy);
    await line.setFaults({ down: { resetAfterBytes } });
    await open(page, line.url);
    await hasAll(page, 600);
    expect((await waits(page)).length).toBeGreaterThanOrEqual(3);
    await line.setFaults({ up: { resetAfterBytes } });
    await publish(page, 601, 400, heavy);
    await hasAll(page, 1_000);
    await hasAll(writer, 1_000);
    expect((await waits(page)).length).toBeGreaterThanOrEqual(5);
  });

  test("s08: a heartbeat detects a half-open connection, and lost publications arrive once", async ({
    page,
    peer: reader,
    line,
  }) => {
    await open(page, line.url, shortHeartbeat);
    await publish(page, 1, 5);
    // A router forgot the connection; new ones work.
    expect(await line.strand()).toBe(1);
    expect(await timed(() => publishFresh(page, 6, 20))).toBeLessThan(10_000);
    expect(await waits(page)).toMatchObject([{ code: "heartbeat_timeout", closeCode: 4002 }]);
    await hasAll(page, 25);
    await hasAll(reader, 25);
  });

  test("s08: publications that a half-open connection delivers late have no second effect", async ({
    page,
    peer: reader,
    line,
  }) => {
    await open(page, line.url, shortHeartbeat);
    await publish(page, 1, 5);
    const before = (await line.stats()).bytesUp;
    await line.setFaults({ stop: "both" });
    const acks = publish(page, 6, 20);
    expect((await waits(page, 1))[0]).toMatchObject({ code: "heartbeat_timeout", closeCode: 4002 });
    expect((await line.stats()).bytesUp).toBe(before);
    // All that waited in the network arrives now, beside the connection that sent it again.
    await line.setFaults();
    expect((await acks).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 6));
    await publish(page, 26, 5);
    await hasAll(page, 30);
    await hasAll(reader, 30);
  });

  for (const stop of ["up", "down"] as const) {
    test(`a heartbeat detects a connection whose ${stop} direction alone is dead`, async ({ page, line }) => {
      await open(page, line.url, shortHeartbeat);
      await publish(page, 1, 5);
      await line.setFaults({ stop });
      const acks = publish(page, 6, 5);
      expect((await waits(page, 1))[0]).toMatchObject({ code: "heartbeat_timeout", closeCode: 4002 });
      await line.setFaults();
      await acks;
      await hasAll(page, 10);
    });
  }

  test("a network that stalls for less than a heartbeat costs no connection", async ({ page, line }) => {
    await open(page, line.url);
    await publish(page, 1, 5);
    await line.freeze();
    const acks = publish(page, 6, 5);
    await page.waitForFunction(() => opened.client.metrics().publications === 10);
    await line.thaw();
    await acks;
    await hasAll(page, 10);
    expect(await waits(page)).toEqual([]);
    expect((await line.stats()).opened).toBe(1);
  });

  test("the client joins bytes that arrive one by one", async ({ page, line }) => {
    await line.setFaults({ up: { slice: 1 }, down: { slice: 1 } });
    await open(page, line.url);
    await publish(page, 1, 100);
    await hasAll(page, 100);
    expect(await waits(page)).toEqual([]);
  });

  test("a slow, narrow line is no reason to reconnect", async ({ page, line }) => {
    const shape = { latencyMs: 200, jitterMs: 100, bytesPerSec: 20_000 };
    await line.setFaults({ seed: 1, up: shape, down: shape });
    await open(page, line.url, { ...sockets, heartbeat: { intervalMs: 500, timeoutMs: 5_000 } });
    await publish(page, 1, 100);
    await hasAll(page, 100);
    expect(await waits(page)).toEqual([]);
    const { ackMs } = await page.evaluate(() => opened.client.metrics());
    expect(ackMs.min).toBeGreaterThanOrEqual(400);
  });
});
