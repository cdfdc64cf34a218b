// What the tests here begin with: a hub, a clock, a page, and clients on it, all made of the sources.

import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import type { Client, Options } from "../src/api.js";
import { connect } from "../src/index.js";
import type { TestBrowser, TestHub, TestHubOptions, VirtualClock } from "./api.js";
import { createTestHub, createVirtualClock } from "./index.js";

const read = (path: string): Promise<WebAssembly.Module> =>
  WebAssembly.compile(readFileSync(new URL(path, import.meta.url)));

const wasm = await read("../src/wasm/longhaul_bg.wasm");
const documentsWasm = await read("../src/wasm/longhaul_documents_bg.wasm");
const hubWasm = await read("wasm/longhaul_testing_bg.wasm");

export interface Trial {
  readonly clock: VirtualClock;
  readonly hub: TestHub;
  readonly browser: TestBrowser;
  /** A client of the page, closed at the end of the test. */
  connect(options?: Options): Client;
}

/** A hub 40 ms away from its page. Time stands still but for what the test asks of the clock. */
export async function trial(options: TestHubOptions = {}): Promise<Trial> {
  const clock = createVirtualClock();
  const hub = await createTestHub({ clock, wasm: hubWasm, ...options });
  const browser = hub.browser();
  browser.line.latencyMs = 40;
  const undo = clock.install();
  browser.install();
  const clients: Client[] = [];
  onTestFinished(async () => {
    await Promise.all(clients.map((client) => client.close()));
    hub.close();
    undo();
  });
  return {
    clock,
    hub,
    browser,
    connect(options = {}) {
      const client = connect(browser.url, { wasm, documentsWasm, outbox: false, ...options });
      clients.push(client);
      return client;
    },
  };
}
