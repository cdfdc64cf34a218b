import { expect, test } from "vitest";
import { trial } from "./trial.js";

test("a stream that fails fires error, and reconnects by itself until it is closed", async () => {
  const { clock, hub } = await trial();
  const source = new EventSource("https://hub.test/v1/events?ticket=none");
  const heard: string[] = [];
  source.onopen = () => heard.push(`open ${source.readyState}`);
  source.onmessage = ({ data }) => heard.push(data.slice(0, 25));
  source.onerror = () => heard.push(`error ${source.readyState}`);
  expect(source.readyState).toBe(EventSource.CONNECTING);
  await clock.advance(100);
  expect(heard).toEqual(["open 1", "close 4401 ticket_invalid", "error 0"]);
  // The hub has asked for a retry delay of an hour.
  await clock.advance(3_599_000);
  expect(hub.metrics.streams).toBe(1);
  await clock.advance(2_000);
  expect(hub.metrics.streams).toBe(2);
  source.close();
  await clock.advance(7_200_000);
  expect([source.readyState, hub.metrics.streams]).toEqual([2, 2]);
});

test("an answer that is no stream ends it", async () => {
  const { clock, hub } = await trial();
  const source = new EventSource("https://hub.test/healthz");
  const states: number[] = [];
  source.addEventListener("error", () => states.push(source.readyState));
  await clock.advance(60_000);
  expect([states, hub.metrics.requests]).toEqual([[2], 1]);
});

test("a silent stream gets comments, which only keep it open", async () => {
  const { clock, hub, browser, connect } = await trial({ limits: { heartbeatMs: 300_000 } });
  const client = connect({ transports: ["eventsource"] });
  client.topic("a").subscribe(() => {});
  await clock.until(() => client.status.state === "connected");
  await clock.advance(120_000);
  expect(client.metrics().connects).toBe(1);
  expect(hub.connections).toBe(1);
  expect(browser.line.open).toBe(1);
});
