// The hub that a test has: what the test does to it, and how it sees what is in it.

import type { BrowserOptions, TestHub, TestHubOptions } from "./api.js";
import { Browser } from "./browser.js";
import { type Chance, chanceOf } from "./chance.js";
import { systemClock } from "./clock.js";
import { Server } from "./server.js";

export async function createTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const { url = "https://hub.test", seed = 1, clock = systemClock, limits = {}, wasm } = options;
  return new Hub(url, seed, await Server.start({ seed, clock, limits, wasm }));
}

class Hub implements TestHub {
  readonly url: string;
  readonly #server: Server;
  readonly #chance: Chance;
  readonly #browsers: Browser[] = [];

  constructor(url: string, seed: number, server: Server) {
    this.url = url;
    this.#server = server;
    this.#chance = chanceOf(seed);
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

  browser(options: BrowserOptions = {}): Browser {
    const { url = this.url, origin = new URL(url).origin } = options;
    const browser = new Browser(this.#server, this.#chance, { url, origin });
    this.#browsers.push(browser);
    return browser;
  }

  stop(): void {
    this.#server.stop();
  }

  start(options: { keepLog?: boolean } = {}): void {
    this.#server.start(options.keepLog ?? false);
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
    for (const browser of this.#browsers) browser.uninstall();
  }
}
