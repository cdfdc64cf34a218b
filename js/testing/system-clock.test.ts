import { readFileSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../src/index.js";
import { createTestHub } from "./index.js";

const wasm = await WebAssembly.compile(
  readFileSync(new URL("../src/wasm/longhaul_bg.wasm", import.meta.url)),
);

async function begin() {
  const hub = await createTestHub({ wasm: new URL("wasm/longhaul_testing_bg.wasm", import.meta.url) });
  const browser = hub.browser();
  browser.install();
  const client = connect(hub.url, { wasm, outbox: false });
  const got: unknown[] = [];
  const arrived = new Promise<void>((resolve) => {
    client.topic("a").subscribe(({ data }) => {
      got.push(data);
      resolve();
    });
  });
  onTestFinished(async () => {
    await client.close();
    hub.close();
  });
  return { hub, browser, client, got, arrived };
}

test("without a clock a hub uses the system's", async () => {
  const { hub, client, got, arrived } = await begin();
  const before = Date.now();
  await (await client.topic("a").publish("hello")).acked;
  await arrived;
  expect(got).toEqual(["hello"]);
  expect(hub.entries("a")[0]?.publishedAtMs).toBeGreaterThanOrEqual(before);
});

test("a hub uses the fake timers of the framework", async () => {
  vi.useFakeTimers({ now: 1_000_000_000_000 });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { hub, browser, client, got } = await begin();
  await vi.waitFor(() => expect(client.status.state).toBe("connected"));
  browser.line.latencyMs = 5_000;
  hub.publish("a", "five seconds away");
  await vi.advanceTimersByTimeAsync(4_900);
  expect(got).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(got).toEqual(["five seconds away"]);
  expect(hub.entries("a")[0]?.publishedAtMs).toBeLessThan(1_000_000_100_000);
});
