// What the tests here begin with: a hub, a clock, a page, and clients on it, all made of the
// sources.

import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import type { Client, Options } from "../src/api.js";
// As `preload` does with the built files.
import "../src/documents.js";
import { connect } from "../src/index.js";
import type { TestBrowser, TestHub, TestHubOptions, VirtualClock } from "./api.js";
import { createTestHub, createVirtualClock, seedRandom } from "./index.js";

const read = (path: string): Promise<WebAssembly.Module> =>
  WebAssembly.compile(readFileSync(new URL(path, import.meta.url)));

export const wasm = await read("../src/wasm/longhaul_bg.wasm");
const documentsWasm = await read("../src/wasm/longhaul_documents_bg.wasm");
const hubWasm = await read("wasm/longhaul_testing_bg.wasm");

export interface Trial {
  readonly clock: VirtualClock;
  readonly hub: TestHub;
  readonly browser: TestBrowser;
  /** A client of the page, or of the device with this address. */
  connect(options?: Options, url?: string): Client;
  /** Closes everything, as the end of the test does by itself. */
  end(): Promise<void>;
}

export interface TrialOptions extends TestHubOptions {
  /** Seeds the clients' chance as well. */
  random?: number;
}

/** A hub 40 ms away from its page. Time stands still but for what the test asks of the clock. */
export async function trial({ random, ...options }: TrialOptions = {}): Promise<Trial> {
  const clock = createVirtualClock();
  const hub = await createTestHub({ clock, wasm: hubWasm, ...options });
  const unseed = random === undefined ? () => {} : seedRandom(random);
  const browser = hub.browser();
  browser.line.latencyMs = 40;
  const undo = clock.install();
  browser.install();
  const clients: Client[] = [];
  let ended: Promise<void> | undefined;
  const end = (): Promise<void> => {
    ended ??= Promise.all(clients.map((client) => client.close())).then(() => {
      hub.close();
      undo();
      unseed();
    });
    return ended;
  };
  onTestFinished(end);
  return {
    clock,
    hub,
    browser,
    end,
    connect(options = {}, url = browser.url) {
      const client = connect(url, { wasm, documentsWasm, outbox: false, ...options });
      clients.push(client);
      return client;
    },
  };
}
