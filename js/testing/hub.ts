// The hub of a test: its API.

import type { Operation } from "../src/api.js";
import type { BrowserOptions, Entry, HubMetrics, Published, TestHub, TestHubOptions } from "./api.js";
import { Backend } from "./backend.js";
import { Browser } from "./browser.js";
import { systemClock } from "./clock.js";
import { preload } from "./core.js";
import { type Random, seededRandom } from "./random.js";
import { Server } from "./server.js";

export async function createTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const { url = "https://hub.test", seed = 1, clock = systemClock, limits = {}, wasm, origins } = options;
  const server = await Server.start({ seed, clock, limits, wasm });
  if (clock !== systemClock) await preload();
  if (options.accepts !== undefined) server.accepts = options.accepts;
  return new Hub(url, seed, origins, server);
}

class Hub implements TestHub {
  readonly url: string;
  readonly #server: Server;
  readonly #backend: Backend;
  readonly #random: Random;
  readonly #origins: readonly string[] | undefined;
  readonly #browsers: Browser[] = [];

  constructor(url: string, seed: number, origins: readonly string[] | undefined, server: Server) {
    this.url = url;
    this.#origins = origins;
    this.#server = server;
    this.#backend = new Backend(server);
    this.#random = seededRandom(seed);
  }

  get isUp(): boolean {
    return this.#server.isUp;
  }

  get connections(): number {
    return this.#server.connections;
  }

  get skewMs(): number {
    return this.#server.skewMs;
  }

  set skewMs(ms: number) {
    this.#server.skewMs = ms;
  }

  get metrics(): HubMetrics {
    return { ...this.#server.metrics };
  }

  get accepts(): (token: string | undefined) => boolean {
    return this.#server.accepts;
  }

  set accepts(accepts: (token: string | undefined) => boolean) {
    this.#server.accepts = accepts;
  }

  publish(topic: string, data: unknown, options: { key?: string } = {}): Published {
    return this.#backend.publish(topic, data, options.key);
  }

  patch(topic: string, operations: readonly Operation[], options: { key?: string } = {}): Published {
    return this.#backend.change(topic, "json-patch", operations, options.key);
  }

  merge(topic: string, partial: unknown, options: { key?: string } = {}): Published {
    return this.#backend.change(topic, "merge-patch", partial, options.key);
  }

  entries(topic: string): readonly Entry[] {
    return this.#backend.entries(topic);
  }

  document(name: string): unknown {
    return this.#backend.document(name);
  }

  browser(options: BrowserOptions = {}): Browser {
    const { url = this.url, origin = new URL(url).origin } = options;
    const browser = new Browser(this.#server, this.#random, (asking) => this.#isServed(asking), {
      url,
      origin,
    });
    this.#browsers.push(browser);
    return browser;
  }

  #isServed(origin: string | null): boolean {
    const { origin: own } = new URL(this.url);
    return origin === null || origin === own || (this.#origins?.includes(origin) ?? true);
  }

  stop(): void {
    this.#server.stop();
  }

  start(options: { keepLog?: boolean } = {}): void {
    this.#server.start(options);
  }

  restart(options: { keepLog?: boolean } = {}): void {
    this.stop();
    this.start(options);
  }

  drain(): Promise<void> {
    return this.#server.drain();
  }

  close(): void {
    this.stop();
    // Each restores the globals that it found.
    for (const browser of this.#browsers.reverse()) browser.uninstall();
  }
}
