// Installs, wakes and stops a service worker through the DevTools protocol: that of
// tests/e2e/page/sw-probed.js, or another one.

import { type CDPSession, expect, type Page } from "@playwright/test";
import { quick } from "./fixtures.js";

/** An event that the worker reports. */
export interface WorkerReport {
  type: "sync" | "message" | "install" | "activate" | "fetch" | "steps" | "stopped" | "upgrade";
  tag?: string;
  outcome: string;
}

declare global {
  var workerReports: WorkerReport[];
}

/** Makes the page's sockets silent, so whatever arrives came from the worker. */
export async function isMute(page: Page): Promise<Page> {
  await page.evaluate(() => {
    globalThis.WebSocket = class extends EventTarget {
      readyState = 0;
      send(): void {}
      close(): void {}
    } as unknown as typeof WebSocket;
  });
  return page;
}
export const mute = { ...quick, transports: ["websocket"] } as const;

/** Hides service workers from a page, so only the test wakes them. */
export async function knowsNoWorker(page: Page): Promise<Page> {
  await page.evaluate(() => Object.defineProperty(navigator, "serviceWorker", { value: undefined }));
  return page;
}

/** Opens a page whose publications arrive only through the worker, when the test wakes it. */
export async function silentPage(newPage: () => Promise<Page>): Promise<Page> {
  return knowsNoWorker(await isMute(await newPage()));
}

/**
 * Options for specs that stop their worker. With trace snapshots Playwright records the worker's
 * requests, and Chromium 156 dies of SIGTRAP when the worker stops meanwhile: "Target page, context
 * or browser has been closed".
 */
export const stoppable = { trace: { mode: "retain-on-failure", snapshots: false } } as const;

/** The tag that the package registers. */
const outboxTag = "longhaul-outbox";

export class Worker {
  readonly #page: Page;
  readonly #cdp: CDPSession;
  readonly #versions = new Map<string, string>();
  #registrationId = "";

  private constructor(page: Page, cdp: CDPSession) {
    this.#page = page;
    this.#cdp = cdp;
  }

  /**
   * Registers the script for the page's origin. The page receives the worker's reports and wakes
   * it.
   */
  static async install(page: Page, script: string, type: WorkerType = "classic"): Promise<Worker> {
    await page.evaluate(
      async ([script, type]) => {
        globalThis.workerReports = [];
        new BroadcastChannel("worker").onmessage = ({ data }) => workerReports.push(data);
        await navigator.serviceWorker.register(script, { type });
        await navigator.serviceWorker.ready;
      },
      [script, type] as const,
    );
    const worker = new Worker(page, await page.context().newCDPSession(page));
    await worker.#watch();
    return worker;
  }

  async #watch(): Promise<void> {
    const origin = new URL(this.#page.url()).origin;
    this.#cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const found = registrations.find(({ scopeURL }) => scopeURL.startsWith(origin));
      if (found !== undefined) this.#registrationId = found.registrationId;
    });
    this.#cdp.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      for (const { versionId, runningStatus } of versions) this.#versions.set(versionId, runningStatus);
    });
    await this.#cdp.send("ServiceWorker.enable");
    await expect.poll(() => this.#registrationId).not.toBe("");
  }

  /** Fires the sync event, as the browser does some minutes after a failed try. */
  async sync({ tag = outboxTag, lastChance = false } = {}): Promise<void> {
    await this.#cdp.send("ServiceWorker.dispatchSyncEvent", {
      origin: new URL(this.#page.url()).origin,
      registrationId: this.#registrationId,
      tag,
      lastChance,
    });
  }

  /** The reports since `forget`. */
  reports(): Promise<WorkerReport[]> {
    return this.#page.evaluate(() => workerReports);
  }

  async forget(): Promise<void> {
    await this.#page.evaluate(() => {
      workerReports.length = 0;
    });
  }

  /** Waits for the first report of one of these types. */
  async next(...types: WorkerReport["type"][]): Promise<WorkerReport> {
    let found: WorkerReport | undefined;
    const find = async () => {
      found ??= (await this.reports()).find(({ type }) => types.includes(type));
      return found;
    };
    await expect.poll(find, { timeout: 30_000 }).toBeDefined();
    return found as WorkerReport;
  }

  /** Waits for the first event of a type to end, and returns its outcome. */
  async outcome(type: WorkerReport["type"]): Promise<string> {
    return (await this.next(type)).outcome;
  }

  /** Fires a sync event, waits for its end and returns its outcome. */
  async flush(): Promise<string> {
    await this.forget();
    await this.sync();
    return this.outcome("sync");
  }

  /** Lets the worker do this many more steps, or all with null. */
  async allow(steps: number | null): Promise<void> {
    await this.#page.evaluate(async (steps) => {
      const { active } = await navigator.serviceWorker.ready;
      active?.postMessage({ steps });
    }, steps);
    await this.outcome("steps");
  }

  /** Makes the worker upgrade the database to a later version. */
  async upgrade(version: number): Promise<void> {
    await this.#page.evaluate(async (upgrade) => {
      const { active } = await navigator.serviceWorker.ready;
      active?.postMessage({ upgrade });
    }, version);
    await this.outcome("upgrade");
  }

  /** Stops the worker in the middle of its work. The spec must use `stoppable`. */
  async stop(): Promise<void> {
    const running = () => [...this.#versions].filter(([, status]) => status !== "stopped");
    for (const [versionId] of running()) await this.#cdp.send("ServiceWorker.stopWorker", { versionId });
    await expect.poll(() => running().length).toBe(0);
  }
}
