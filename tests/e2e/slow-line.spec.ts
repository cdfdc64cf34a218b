// Lines that carry 8 kB a second: large data comes in parts, which count as life, and data over the
// limits is refused.

import type * as api from "longhaul";
import { fakeHub } from "./support/fake-hub.js";
import { expect, isConnected, open, publish, quick, test } from "./support/network.js";

const bytesPerSec = 8_000;
const transports = ["websocket", "eventsource", "longpoll"] as const;

/** Makes the document `d` with this many members of 60,000 bytes. */
async function write(url: string, members: number): Promise<void> {
  for (let n = 0; n < members; n++) {
    const response = await fetch(`${url}/v1/topics/d`, {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ [n]: "x".repeat(59_980) }),
    });
    expect(response.status, await response.text()).toBe(200);
  }
}

/** Follows `d`, and returns the size of its first value and what it took to get it. */
async function follow([url, options]: readonly [string, api.Options]) {
  const { client, errors } = longhaul.open(url, options);
  const arrived = new Promise<void>((resolve) => {
    client.topic("t").subscribe(() => resolve(), { from: "start" });
  });
  const bytes = await new Promise<number>((resolve) => {
    client.document("d").subscribe((value) => value && resolve(JSON.stringify(value).length));
  });
  await client.topic("t").publish(1);
  await arrived;
  const { connects } = client.metrics();
  return { bytes, connects, errors };
}

for (const transport of transports) {
  test(`f02: a document of 1 MiB is followed over ${transport}, and other topics go on`, async ({
    page,
    hub,
  }) => {
    await write(hub.url, 17);
    const { bytes, connects, errors } = await page.evaluate(follow, [
      hub.url,
      { ...quick, transports: [transport] },
    ] as const);
    expect(bytes).toBeGreaterThan(1_019_000);
    expect(connects).toBeLessThanOrEqual(2);
    expect(errors).toEqual([]);
  });
}

test.describe("with a heartbeat that is shorter than the document's transfer", () => {
  // The largest frame takes 2.1 s, the whole document 15 s.
  test.use({ hubArgs: ["--heartbeat-ms", "1000", "--heartbeat-wait-ms", "8000", "--hold-ms", "1000"] });

  for (const transport of transports) {
    test(`f03: over a line of 8 kB/s a document arrives whole over ${transport}, on one connection`, async ({
      page,
      hub,
      line,
    }) => {
      await write(hub.url, 2);
      await line.setFaults({ down: { bytesPerSec } });
      const { bytes, connects, errors } = await page.evaluate(follow, [
        line.url,
        { ...quick, transports: [transport] },
      ] as const);
      expect(bytes).toBeGreaterThan(119_000);
      expect(connects).toBe(1);
      expect(errors).toEqual([]);
    });
  }
});

test("f03: a window of large publications goes up over 8 kB/s in posts, each once", async ({
  page,
  line,
}) => {
  test.setTimeout(120_000);
  await line.setFaults({ up: { bytesPerSec } });
  await open(page, line.url, { ...quick, transports: ["eventsource"] });
  await isConnected(page);
  // 240 kB take half a minute, twice the time of a post.
  const acks = await publish(page, 1, 8, "p".repeat(30_000));
  expect(acks.map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
    Array.from({ length: 8 }, (_, i) => [i + 1, false]),
  );
});

test("f24: a frame, a part or an answer over its limit ends the connection before it is parsed", async ({
  page,
}) => {
  const text = "x".repeat(300_000);
  const bad: { [attempt: number]: string[] } = {
    1: [`m 1 1 1 0 - "${text}"`],
    2: [`part 0 ${2 ** 23} m 1 1 1 0 - "`],
    3: ["part 1 5 x"],
    4: ["part 0 500 m 1", "part 1 500  1"],
  };
  const hub = await fakeHub((socket, attempt) => {
    socket.on("message", (frame) => {
      if (!String(frame).startsWith("hello")) return;
      socket.send("welcome s1 1763779200000");
      for (const frame of bad[attempt] ?? []) socket.send(frame);
    });
  });
  await page.evaluate(
    ([url, quick]) => {
      globalThis.opened = longhaul.open(url, { ...quick, transports: ["websocket"] });
    },
    [hub.url, quick] as const,
  );
  await expect.poll(() => hub.attempts(), { timeout: 60_000 }).toBe(5);
  const { statuses } = await page.evaluate(() => ({ statuses: opened.statuses }));
  const reasons = statuses.flatMap((status) => ("reason" in status ? [status.reason] : []));
  expect(reasons.map(({ closeCode }) => closeCode)).toEqual([4000, 4000, 4000, 4000]);
  const words = reasons.map(({ message }) => message);
  expect(words[0]).toContain("a frame over the limit of 262144 characters");
  for (const message of words.slice(1)) expect(message).toContain("a part that does not follow");
  hub.close();
});

test("f24: a post does not follow a redirect to another origin", async ({ page, hub, line }) => {
  await line.setFaults({
    http: [
      {
        pathPrefix: "/v1/publish",
        method: "POST",
        times: 1,
        action: { answer: { status: 307, headers: { location: `${hub.url}/v1/publish` } } },
      },
    ],
  });
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await open(page, line.url, { ...quick, transports: ["eventsource"] });
  await publish(page, 1, 1);
  expect(asked.filter((url) => url === `${hub.url}/v1/publish`)).toEqual([]);
});
