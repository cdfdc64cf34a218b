import { expect, test } from "@jest/globals";
import { connect } from "longhaul";
import { createTestHub, createVirtualClock } from "longhaul/testing";

test("a document shows an own change at once, and another user's when it arrives", async () => {
  const clock = createVirtualClock();
  const hub = await createTestHub({ clock });
  const browser = hub.browser();
  browser.line.latencyMs = 100;
  const restore = [browser.install(), clock.install()];
  const client = connect(hub.url, { outbox: false });
  const list = client.document("shopping");
  list.subscribe(() => {});

  hub.merge("shopping", { milk: 1 });
  await clock.until(() => list.value?.milk === 1);
  await list.merge({ bread: 2 });
  expect(list.value).toEqual({ milk: 1, bread: 2 });
  expect(hub.document("shopping")).toEqual({ milk: 1 });

  await clock.until(() => list.pending === 0);
  expect(hub.document("shopping")).toEqual({ milk: 1, bread: 2 });
  await client.close();
  hub.close();
  for (const each of restore.reverse()) each();
});
