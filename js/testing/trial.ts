// The setup of tests: a hub, a clock, a device and clients, all from the sources.

import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import type { Client, Options } from "../src/api.js";
// `preload` does the same with the built files.
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
  /** Connects a client of the device with this address. Default: the one device. */
  connect(options?: Options, url?: string): Client;
  /** Closes everything. The end of the test also does that. */
  end(): Promise<void>;
}

export interface TrialOptions extends TestHubOptions {
  /** A seed for the clients' random numbers. Default: none. */
  random?: number;
}

/** A hub 40 ms away from its device. Only the test advances the time. */
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
