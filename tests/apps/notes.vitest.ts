import { connect } from "longhaul";
import { createTestHub, createVirtualClock } from "longhaul/testing";
import { expect, onTestFinished, test } from "vitest";

test("a note that is written without a network arrives when the network is back", async () => {
  const clock = createVirtualClock();
  const hub = await createTestHub({ clock });
  const browser = hub.browser();
  onTestFinished(browser.install());
  onTestFinished(clock.install());
  const client = connect(hub.url, { outbox: false });
  client.topic("notes").subscribe(() => {});
  await clock.until(() => client.status.state === "connected");

  browser.line.disconnect();
  await client.topic("notes").publish({ text: "on a plane" });
  await clock.advance(3_600_000);
  expect(hub.entries("notes")).toEqual([]);

  browser.line.restore();
  await clock.until(() => hub.entries("notes").length === 1);
  expect(hub.entries("notes")).toMatchObject([{ seq: 1, data: { text: "on a plane" } }]);
  await client.close();
  hub.close();
});
