// Connections that look open and are dead: closing sockets, and streams, polls and posts that a
// router forgot.

import {
  expect,
  hasAll,
  isConnected,
  open,
  publish,
  publishFresh,
  quick,
  test,
  timed,
} from "./support/network.js";

declare global {
  /**
   * The sockets that the page has opened, and how often it sent into a socket that was not open.
   */
  var spied: { sockets: WebSocket[]; unheard: number };
}

/**
 * The limit, ms: three times what a quiet machine needs, and far below the default heartbeat's 35
 * s.
 */
const soonMs = 10_000;

test("s07: the client does not count publications into a closing socket as sent, and sends them over the next one at once", async ({
  page,
  peer: reader,
  line,
}) => {
  await page.evaluate(() => {
    const Native = globalThis.WebSocket;
    globalThis.spied = { sockets: [], unheard: 0 };
    globalThis.WebSocket = class extends Native {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        spied.sockets.push(this);
      }
      override send(data: string): void {
        if (this.readyState !== Native.OPEN) spied.unheard++;
        super.send(data);
      }
    };
  });
  await open(page, line.url);
  await publish(page, 1, 5);
  // The closing handshake gets no answer. The browser waits a minute for one, without an event.
  await line.strand();
  const state = await page.evaluate(() => {
    const [socket] = spied.sockets;
    socket?.close();
    return socket?.readyState;
  });
  expect(state).toBe(2);
  const tookMs = await timed(() => publishFresh(page, 6, 20));
  expect(tookMs).toBeLessThan(soonMs);
  await hasAll(page, 25);
  await hasAll(reader, 25);
  expect(await page.evaluate(() => spied.unheard)).toBe(0);
});

test.describe("with a hub that sends twice a second", () => {
  test.use({
    hubArgs: ["--heartbeat-ms", "500", "--heartbeat-wait-ms", "500", "--hold-ms", "1000"],
  });

  for (const transport of ["websocket", "eventsource", "longpoll"] as const) {
    test(`s08: ${transport}: twenty publications into a half-open connection are sent again in order, once`, async ({
      page,
      peer: reader,
      line,
    }) => {
      await open(page, line.url, { ...quick, transports: [transport] });
      await publish(page, 1, 5);
      // New connections work. Open ones never do, including those that the browser keeps for later
      // requests.
      expect(await line.strand()).toBeGreaterThanOrEqual(1);
      const tookMs = await timed(() => publishFresh(page, 6, 20));
      expect(tookMs).toBeLessThan(soonMs);
      await hasAll(page, 25);
      await hasAll(reader, 25);
      const { missedHeartbeats } = await page.evaluate(() => opened.client.metrics());
      expect(missedHeartbeats).toBeGreaterThanOrEqual(1);
    });

    test(`s08: ${transport}: a reader with a half-open connection misses nothing`, async ({
      page,
      peer: writer,
      line,
    }) => {
      await open(page, line.url, { ...quick, transports: [transport] });
      await publish(writer, 1, 5);
      await hasAll(page, 5);
      await line.strand();
      await publish(writer, 6, 20);
      expect(await timed(() => hasAll(page, 25))).toBeLessThan(soonMs);
    });
  }

  test("the client gives a hanging post up after 15 s and sends it again, while the stream continues", async ({
    page,
    line,
  }) => {
    await line.setFaults({
      http: [{ pathPrefix: "/v1/publish", method: "POST", times: 1, action: "swallow" }],
    });
    await open(page, line.url, { ...quick, transports: ["eventsource"] });
    await isConnected(page);
    const tookMs = await timed(() => publish(page, 1, 5));
    expect(tookMs).toBeGreaterThanOrEqual(14_000);
    expect(tookMs).toBeLessThan(30_000);
    await hasAll(page, 5);
    const { connects, missedHeartbeats } = await page.evaluate(() => opened.client.metrics());
    expect({ connects, missedHeartbeats }).toEqual({ connects: 1, missedHeartbeats: 0 });
  });
});

test("many large publications go up in posts that the hub accepts", async ({ page, hub }) => {
  await open(page, hub.url, { ...quick, transports: ["eventsource"] });
  await isConnected(page);
  // All at once, as after a time offline: 1 MB, four times a frame's limit.
  await publish(page, 1, 1_000, "page".padEnd(1_000, "."));
  await hasAll(page, 1_000);
});
