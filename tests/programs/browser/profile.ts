// One browser profile: the databases, locks, channels, device clock, network state and service
// worker that its pages share.

import { Channels } from "./channels.js";
import { Databases } from "./databases.js";
import { Locks } from "./locks.js";
import { type Connect, Page } from "./page.js";
import type { Shipped } from "./shipped.js";
import type { World } from "./world.js";

/** How the download of one of the app's files fails. */
export type LoadingFault = "network" | "status" | "torn";

export class Profile {
  readonly world: World;
  readonly shipped: Shipped;
  readonly name: string;
  readonly hasWorker: boolean;
  /** Whether its pages are in a sandboxed frame: without an origin, storage, locks and workers. */
  readonly isSandboxed: boolean;
  readonly databases: Databases;
  readonly locks = new Locks();
  readonly channels = new Channels();
  readonly local = new Map<string, string>();
  readonly pages = new Set<Page>();
  readonly #connect: Connect;
  readonly #met: (fault: string) => void;
  /** By how much the device's clock is wrong, ms. */
  skewMs = 0;
  isOnline = true;
  /** Downloads to fail: the next `times` of files whose names begin with `prefix`. */
  #loading: { prefix: string; fault: LoadingFault; times: number }[] = [];
  #syncs = new Set<string>();
  #worker: Promise<Page> | undefined;

  constructor(
    world: World,
    shipped: Shipped,
    name: string,
    options: { connect: Connect; hasWorker: boolean; isSandboxed: boolean; met(fault: string): void },
  ) {
    this.world = world;
    this.shipped = shipped;
    this.name = name;
    this.hasWorker = options.hasWorker;
    this.isSandboxed = options.isSandboxed;
    this.#connect = options.connect;
    this.#met = options.met;
    this.databases = new Databases(world);
  }

  open(session?: Map<string, string>): Page {
    const page = new Page(this, this.#connect, session);
    this.pages.add(page);
    return page;
  }

  drop(page: Page): void {
    this.pages.delete(page);
    this.locks.drop(page);
    this.channels.drop(page);
    this.databases.drop(page);
  }

  leftOf(page: Page): string[] {
    const open = this.databases.openOf(page);
    const channels = this.channels.openOf(page);
    const locks = this.locks.heldBy(page);
    return [
      ...(open > 0 ? [`${open} open databases`] : []),
      ...(channels > 0 ? [`${channels} channels`] : []),
      ...(locks > 0 ? [`${locks} locks`] : []),
    ];
  }

  met(fault: string): void {
    this.#met(fault);
  }

  failLoading(prefix: string, fault: LoadingFault, times: number): void {
    this.#loading.push({ prefix, fault, times });
  }

  loadingFault(name: string): LoadingFault | undefined {
    const armed = this.#loading.find(({ prefix, times }) => times > 0 && name.startsWith(prefix));
    if (armed === undefined) return undefined;
    armed.times -= 1;
    this.met("loading");
    return armed.fault;
  }

  /** Ends all faults that are armed here. */
  heal(): void {
    this.#loading = [];
    Object.assign(this.databases.faults, { isFull: false, abortsAtCommit: 0, failsOpening: false });
    this.databases.release();
    this.setOnline(true);
    for (const page of this.pages) page.thaw();
  }

  setOnline(isOnline: boolean): void {
    if (this.isOnline === isOnline) return;
    this.isOnline = isOnline;
    for (const page of this.pages) page.task(0, () => page.fire(isOnline ? "online" : "offline"));
    if (isOnline) for (const tag of this.#syncs) void this.sync(tag);
  }

  registerSync(tag: string): void {
    this.#syncs.add(tag);
    if (this.isOnline) void this.sync(tag);
  }

  askWorker(data: unknown, ports: readonly unknown[] = []): void {
    this.world.after(0, () => void this.#wake("message", { data, ports }));
  }

  /** Wakes the worker for a sync. Resolves with whether the worker has nothing left to do. */
  async sync(tag: string, lastChance = false): Promise<boolean> {
    const isDone = await this.#wake("sync", { tag, lastChance });
    if (isDone) this.#syncs.delete(tag);
    return isDone;
  }

  /** Stops the worker, even while it works. */
  async killWorker(): Promise<void> {
    const worker = await this.#worker?.catch(() => undefined);
    worker?.kill();
    this.#worker = undefined;
  }

  async #wake(type: string, more: object): Promise<boolean> {
    if (!this.hasWorker) return false;
    this.#worker ??= this.#startWorker();
    try {
      const worker = await this.#worker;
      const waits: Promise<unknown>[] = [];
      worker.fire(type, { ...more, waitUntil: (wait: Promise<unknown>) => waits.push(wait) });
      await Promise.all(waits);
      return true;
    } catch {
      // A worker that did not start is started again the next time.
      if ((await this.#worker?.catch(() => undefined)) === undefined) this.#worker = undefined;
      return false;
    }
  }

  async #startWorker(): Promise<Page> {
    const worker = new Page(this, this.#connect, undefined, true);
    this.pages.add(worker);
    const { installOutbox } = (await worker.import("service-worker.mjs")) as { installOutbox(): void };
    installOutbox();
    return worker;
  }
}
