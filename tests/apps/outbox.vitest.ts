import "fake-indexeddb/auto";
import { connect } from "longhaul";
import { createTestHub, createVirtualClock } from "longhaul/testing";
import { expect, onTestFinished, test } from "vitest";

test("a publication made offline survives the page, and arrives once", async () => {
  const clock = createVirtualClock();
  const hub = await createTestHub({ clock });
  const browser = hub.browser();
  onTestFinished(browser.install());
  onTestFinished(clock.install());
  browser.line.disconnect();
  const first = connect(hub.url);
  const receipt = await clock.waitFor(first.topic("notes").publish("kept"));
  expect(receipt.durable).toBe(true);
  await clock.waitFor(first.close());

  browser.line.restore();
  const next = connect(hub.url);
  await clock.until(() => hub.entries("notes").length === 1);
  await clock.waitFor(next.outbox.flush());
  expect(hub.entries("notes")).toMatchObject([{ data: "kept", id: receipt.id }]);
  await clock.waitFor(next.close());
  hub.close();
});
