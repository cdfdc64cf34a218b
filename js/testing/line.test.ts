import { expect, test } from "vitest";
import type { Client, Message } from "../src/api.js";
import { type Trial, trial } from "./trial.js";

const transports = ["websocket", "eventsource", "longpoll"] as const;

/** A connected client with a subscription. */
async function follower(on: Trial, transport: (typeof transports)[number]) {
  const client = on.connect({ transports: [transport] });
  const got: Message<unknown>[] = [];
  const gaps: unknown[] = [];
  client.topic("a").subscribe((message) => got.push(message), { onGap: (gap) => gaps.push(gap) });
  await on.clock.until(() => client.status.state === "connected");
  await on.clock.advance(1_000);
  return { client, got, gaps };
}

const state = (client: Client): string => client.status.state;

test.each(transports)("what comes while the line is cut is made up for, over %s", async (transport) => {
  const on = await trial();
  const { client, got, gaps } = await follower(on, transport);
  on.browser.line.disconnect();
  on.hub.publish("a", 1);
  const sent = client.topic("a").publish(2);
  await on.clock.advance(10_000);
  expect(got).toEqual([]);
  on.browser.line.restore();
  await on.clock.until(() => got.length === 2);
  await on.clock.waitFor((await sent).acked);
  expect([got.map(({ data }) => data), gaps]).toEqual([[1, 2], []]);
});

test.each(transports)("a black hole is noticed by its silence, over %s", async (transport) => {
  const on = await trial();
  const { client, got } = await follower(on, transport);
  on.browser.line.blackHole();
  on.hub.publish("a", 1);
  await on.clock.advance(1_000);
  expect(state(client)).toBe("connected");
  await on.clock.until(() => state(client) !== "connected");
  on.browser.line.restore();
  await on.clock.until(() => got.length === 1);
});

test.each(transports)("both ends close a connection that is in a black hole, over %s", async (transport) => {
  const on = await trial();
  const { client } = await follower(on, transport);
  on.browser.line.blackHole();
  on.hub.publish("a", 1);
  await client.close();
  await on.clock.advance(1_000);
  // The hub has answered a poll, which ends it.
  expect(on.hub.connections).toBe(transport === "longpoll" ? 0 : 1);
  await on.clock.advance(120_000);
  expect([on.hub.connections, on.browser.line.open]).toEqual([0, 0]);
});

test("held data arrives after restore, and nothing is lost or opened again", async () => {
  const on = await trial();
  const { client, got } = await follower(on, "websocket");
  on.browser.line.hold();
  on.hub.publish("a", 1);
  await on.clock.advance(5_000);
  expect(got).toEqual([]);
  on.browser.line.restore();
  await on.clock.advance(100);
  expect(got).toHaveLength(1);
  expect(client.metrics().connects).toBe(1);
});

test("a slow line needs time for large data, and delays what follows", async () => {
  const on = await trial();
  const { got } = await follower(on, "websocket");
  on.browser.line.bytesPerSecond = 10_000;
  on.hub.publish("a", "x".repeat(50_000));
  on.hub.publish("a", "small");
  await on.clock.advance(4_900);
  expect(got).toEqual([]);
  await on.clock.advance(300);
  expect(got).toHaveLength(2);
});

test("a slow line is shared: the data of one connection delays no other", async () => {
  const on = await trial();
  const first = await follower(on, "websocket");
  const second = on.connect({ transports: ["websocket"] });
  const got: unknown[] = [];
  second.topic("b").subscribe(({ data }) => got.push(data));
  await on.clock.until(() => state(second) === "connected");
  await on.clock.advance(1_000);
  on.browser.line.bytesPerSecond = 6_000;
  on.hub.publish("a", "x".repeat(50_000));
  on.hub.publish("b", "small");
  await on.clock.advance(1_000);
  expect([first.got.length, got]).toEqual([0, ["small"]]);
  await on.clock.advance(7_000);
  expect(first.got).toEqual([]);
  await on.clock.advance(1_000);
  expect(first.got).toHaveLength(1);
});

test("a connection that ends drops its unsent data", async () => {
  const on = await trial();
  const first = await follower(on, "websocket");
  const second = on.connect({ transports: ["websocket"] });
  const got: unknown[] = [];
  second.topic("b").subscribe(({ data }) => got.push(data));
  await on.clock.until(() => state(second) === "connected");
  await on.clock.advance(1_000);
  on.browser.line.bytesPerSecond = 10_000;
  on.hub.publish("a", "x".repeat(50_000));
  on.browser.line.cut();
  await first.client.close();
  on.hub.publish("b", "small");
  await on.clock.advance(4_000);
  expect(got).toEqual(["small"]);
});

test("posts that arrive twice take effect once", async () => {
  const on = await trial({ seed: 3 });
  const { client, got } = await follower(on, "longpoll");
  on.browser.line.duplicateRate = 1;
  const before = on.hub.metrics.publishes;
  await on.clock.waitFor((await client.topic("a").publish("once")).acked);
  await on.clock.advance(1_000);
  expect(got).toHaveLength(1);
  expect(on.hub.metrics.publishes).toBe(before + 2);
  expect(on.hub.entries("a").map(({ data }) => data)).toEqual(["once"]);
});

test.each(transports)(
  "what is lost on the way is sent again, and nothing comes twice, over %s",
  async (transport) => {
    const on = await trial({ seed: 11 });
    const { client, got } = await follower(on, transport);
    on.browser.line.cutRate = 0.2;
    on.browser.line.jitterMs = 200;
    const sent: unknown[] = [];
    for (let n = 0; n < 30; n++) {
      sent.push(n);
      client.topic("a").publish(n);
      await on.clock.advance(500);
    }
    on.browser.line.cutRate = 0;
    await on.clock.until(() => got.length >= sent.length);
    await on.clock.advance(60_000);
    expect(got.map(({ data }) => data)).toEqual(sent);
  },
);

test("a restart without the log is another epoch, and with it the same one", async () => {
  const on = await trial();
  const { got, gaps } = await follower(on, "websocket");
  on.hub.publish("a", 1);
  on.hub.restart({ keepLog: true });
  on.hub.publish("a", 2);
  await on.clock.until(() => got.length === 2);
  expect(gaps).toEqual([]);
  on.hub.restart();
  on.hub.publish("a", 3);
  await on.clock.until(() => got.length === 3);
  expect(gaps).toMatchObject([{ reason: "epoch" }]);
});

test("a hub that drains closes its connections, and while it is down it accepts none", async () => {
  const on = await trial();
  const { client, got } = await follower(on, "websocket");
  const drained = on.hub.drain();
  await on.clock.until(() => state(client) !== "connected");
  await drained;
  on.hub.stop();
  expect(() => on.hub.publish("a", 1)).toThrow("stopped");
  await on.clock.advance(20_000);
  expect(client.status).toMatchObject({ state: "waiting" });
  on.hub.start({ keepLog: false });
  await on.clock.until(() => state(client) === "connected");
  on.hub.publish("a", 1);
  await on.clock.until(() => got.length === 1);
});

test("two devices have lines of their own to one hub", async () => {
  const on = await trial();
  const other = on.hub.browser({ url: "https://other.test" });
  other.install();
  const { client } = await follower(on, "websocket");
  const got: unknown[] = [];
  const second = on.connect({ transports: ["websocket"] }, other.url);
  second.topic("a").subscribe(({ data }) => got.push(data));
  await on.clock.until(() => state(second) === "connected");
  other.line.disconnect();
  await on.clock.advance(1_000);
  expect([state(client), state(second)]).toEqual(["connected", "waiting"]);
  await client.topic("a").publish("hello");
  await on.clock.advance(1_000);
  other.line.restore();
  await on.clock.until(() => got.length === 1);
});

test("the same seed and program give the same run", async () => {
  const runs = [];
  for (let i = 0; i < 2; i++) {
    const on = await trial({ seed: 5, random: 5 });
    const { client, got } = await follower(on, "websocket");
    on.browser.line.cutRate = 0.1;
    on.browser.line.jitterMs = 100;
    for (let n = 0; n < 20; n++) {
      client.topic("a").publish(n);
      await on.clock.advance(300);
    }
    runs.push([got.map(({ data }) => data), client.metrics(), on.hub.metrics, on.hub.entries("a")]);
    await on.end();
  }
  expect(runs[0]).toEqual(runs[1]);
});
