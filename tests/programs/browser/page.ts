// A page or a service worker, with its own globals and its own instance of the shipped files. It
// can be frozen or killed between any two tasks; a dead page runs no code.

import { getEventListeners } from "node:events";
import {
  IDBDatabase as FakeDatabase,
  IDBFactory as FakeFactory,
  IDBKeyRange as FakeKeyRange,
  IDBOpenDBRequest as FakeOpenRequest,
} from "fake-indexeddb";
import { portsOf } from "./channels.js";
import type { Profile } from "./profile.js";
import type { Globals } from "./shipped.js";
import type { Task, World } from "./world.js";

/** The origin that serves the app. */
const origin = "https://app.test/";

/** The device's time when a program begins. Chosen. */
const startMs = Date.UTC(2026, 10, 30);

/** How long a file takes from the app's server, ms. Chosen. */
const loadMs = 12;

/** The globals through which a page uses the network. */
export interface Network {
  WebSocket: unknown;
  EventSource: unknown;
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** Ends the connections of a page that is gone. */
  drop(): void;
}

export type Connect = (page: Page) => Network;

/**
 * An EventTarget that honours every signal. Node's own keeps only the last signal of a target after
 * a garbage collection, and then does not remove the listeners of the others.
 */
class Target extends EventTarget {
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    const { signal, ...rest }: AddEventListenerOptions =
      typeof options === "object" ? options : { capture: options ?? false };
    // As in the DOM: an aborted signal adds no listener.
    if (signal?.aborted) return;
    super.addEventListener(type, listener, rest);
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener, rest));
  }
}

export class Page {
  readonly profile: Profile;
  readonly world: World;
  readonly isWorker: boolean;
  /** The tab's session storage, which outlives its pages. */
  readonly session: Map<string, string>;
  readonly globals: Globals;
  readonly window: EventTarget & Record<string, unknown>;
  readonly #document = new Target() as EventTarget & Record<string, unknown>;
  readonly #network: Network;
  readonly #timers = new Map<number, Task>();
  readonly #modules = new Map<string, Promise<unknown>>();
  /** The wasm's instances that are not collected yet. */
  readonly #instances: WeakRef<WebAssembly.Instance>[] = [];
  #lastTimer = 0;
  #parked: (() => void)[] = [];
  isDead = false;
  isFrozen = false;

  constructor(profile: Profile, connect: Connect, session = new Map<string, string>(), isWorker = false) {
    this.profile = profile;
    this.world = profile.world;
    this.session = session;
    this.isWorker = isWorker;
    this.window = new Target() as EventTarget & Record<string, unknown>;
    this.#network = connect(this);
    this.globals = this.#makeGlobals();
    for (const [name, value] of Object.entries(this.globals)) {
      Object.defineProperty(this.window, name, { value, configurable: true });
    }
    if (profile.isSandboxed) this.#sandbox();
  }

  /** Denies storage, locks and workers, as Chromium does in `sandbox="allow-scripts"`. */
  #sandbox(): void {
    const refuse = (of: object, name: string): void => {
      const get = (): never => {
        throw new DOMException(`${name} is not allowed in a sandboxed frame`, "SecurityError");
      };
      Object.defineProperty(of, name, { get, configurable: true });
    };
    for (const name of ["localStorage", "sessionStorage"]) refuse(this.window, name);
    const navigator = this.globals.navigator as { locks: object; storage: object };
    refuse(navigator, "serviceWorker");
    const denied = (): Promise<never> => Promise.reject(new DOMException("denied", "SecurityError"));
    navigator.locks = { request: denied };
    navigator.storage = { persist: denied };
    const { indexedDB } = this.globals as { indexedDB: { open: unknown } };
    indexedDB.open = () => {
      throw new DOMException("denied", "SecurityError");
    };
    this.globals.localStorage = undefined;
    this.globals.sessionStorage = undefined;
  }

  get nowMs(): number {
    return startMs + this.world.nowMs + this.profile.skewMs;
  }

  /** Reports that a fault has struck this page. */
  met(fault: string): void {
    this.profile.met(fault);
  }

  /** Runs in the page, after `delayMs`. */
  task(delayMs: number, run: () => void): Task {
    return this.world.after(delayMs, () => this.#run(run));
  }

  #run(run: () => void): void {
    if (this.isDead) return;
    if (this.isFrozen) this.#parked.push(run);
    else run();
  }

  /** Evaluates a shipped file in this page, once, as a browser does with modules. */
  import(name: string): Promise<unknown> {
    const known = this.#modules.get(name);
    if (known !== undefined) return known;
    const { shipped } = this.profile;
    const loaded = this.#download(name).then(() =>
      shipped.script(name)(this.globals, `${origin}${name}`, (url) => this.#load(url)),
    );
    this.#modules.set(name, loaded);
    // Browsers differ in whether a failed import can be tried again; here it can.
    loaded.catch(() => this.#modules.delete(name));
    return loaded;
  }

  #load(url: string): Promise<unknown> {
    const { pathname } = new URL(url, origin);
    return this.import(pathname.slice(1)).catch((cause) => {
      throw new TypeError(`Failed to fetch dynamically imported module: ${url}`, { cause });
    });
  }

  /** Dispatches an event to the window or the document. */
  fire(type: string, more: object = {}): void {
    if (this.isDead) return;
    const target = ["visibilitychange", "freeze", "resume"].includes(type) ? this.#document : this.window;
    target.dispatchEvent(Object.assign(new Event(type), more));
  }

  show(isVisible: boolean): void {
    this.#document["visibilityState"] = isVisible ? "visible" : "hidden";
    this.fire("visibilitychange");
  }

  freeze(): void {
    this.fire("freeze");
    this.isFrozen = true;
  }

  thaw(): void {
    if (!this.isFrozen) return;
    this.isFrozen = false;
    this.fire("resume");
    for (const run of this.#parked.splice(0)) this.task(0, run);
  }

  /** Ends the page as a browser closes it, with its last events. */
  async unload(): Promise<void> {
    this.thaw();
    this.fire("pagehide", { persisted: false });
    await this.world.settle();
    this.kill();
  }

  /** Ends the page at once, without events. */
  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#parked = [];
    for (const task of this.#timers.values()) task.cancel();
    this.#timers.clear();
    this.profile.drop(this);
    this.#network.drop();
  }

  /** Everything that closed clients have left in this page. A collection must come first. */
  get left(): string[] {
    const heard = ["online", "offline", "pagehide", "pageshow"].filter(
      (type) => getEventListeners(this.window, type).length > 0,
    );
    const seen = ["visibilitychange", "freeze", "resume"].filter(
      (type) => getEventListeners(this.#document, type).length > 0,
    );
    const instances = this.#instances.filter((ref) => ref.deref() !== undefined).length;
    return [
      ...[...heard, ...seen].map((type) => `a listener of ${type}`),
      ...(this.#timers.size > 0 ? [`${this.#timers.size} timers`] : []),
      ...(instances > 0 ? [`${instances} instances of a wasm`] : []),
      ...this.profile.leftOf(this),
    ];
  }

  /** Downloads a file of the app, unless a fault is armed for it. */
  #download(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.task(loadMs, () => {
        const fault = this.profile.loadingFault(name);
        if (fault === undefined) resolve();
        else reject(new TypeError("Failed to fetch"));
      });
    });
  }

  async #fetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const { href, pathname, protocol } = new URL(url, origin);
    if (!href.startsWith(origin)) return this.#network.fetch(href, init);
    if (protocol !== "https:") throw new TypeError("Failed to fetch");
    await new Promise<void>((resolve, reject) => {
      this.task(loadMs, resolve);
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
    const name = pathname.slice(1);
    const fault = this.profile.loadingFault(name);
    if (fault === "network") throw new TypeError("Failed to fetch");
    if (fault === "status") return new Response("", { status: 503 });
    const headers = { "content-type": "application/wasm" };
    return new Response(fault === "torn" ? "torn" : name, { headers });
  }

  /** Gives the compiled module of a downloaded name, and compiles bytes from the package itself. */
  #compile(bytes: BufferSource): WebAssembly.Module {
    const name = new TextDecoder().decode(bytes);
    return name.endsWith(".wasm") ? this.profile.shipped.module(name) : new WebAssembly.Module(bytes);
  }

  #makeGlobals(): Globals {
    const { profile, world, window } = this;
    const page = this;
    const setTimer = (run: unknown, delayMs: number, isAgain: boolean, args: unknown[]): number => {
      const no = ++this.#lastTimer;
      const arm = (): void => {
        const task = this.task(Math.max(isAgain ? 1 : 0, Number(delayMs) || 0), () => {
          if (!this.#timers.delete(no)) return;
          if (isAgain) arm();
          (run as (...args: unknown[]) => void)(...args);
        });
        this.#timers.set(no, task);
      };
      arm();
      return no;
    };
    const clearTimer = (no: number | undefined): void => {
      this.#timers.get(no ?? 0)?.cancel();
      this.#timers.delete(no ?? 0);
    };
    class PageDate extends Date {
      constructor(...args: []) {
        super(...((args.length === 0 ? [page.nowMs] : args) as []));
      }
      static override now(): number {
        return Math.floor(page.nowMs);
      }
    }
    this.#document["visibilityState"] = "visible";
    const wasm = {
      Module: WebAssembly.Module,
      CompileError: WebAssembly.CompileError,
      compile: async (bytes: BufferSource) => this.#compile(bytes),
      compileStreaming: async (response: Response) => this.#compile(await response.arrayBuffer()),
      instantiate: async (module: WebAssembly.Module, imports: WebAssembly.Imports) => {
        const instance = new WebAssembly.Instance(module, imports);
        this.#instances.push(new WeakRef(instance));
        return instance;
      },
    };
    const registration = {
      active: {
        postMessage: (data: unknown, ports?: readonly unknown[]) => profile.askWorker(data, ports),
      },
      sync: { register: async (tag: string) => profile.registerSync(tag) },
    };
    const math = Object.assign(Object.create(Math) as Math, { random: () => world.random() });
    const globals: Globals = {
      AbortController,
      AbortSignal: class extends AbortSignal {
        static override timeout(delayMs: number): AbortSignal {
          const abort = new AbortController();
          setTimer(() => abort.abort(new DOMException("timed out", "TimeoutError")), delayMs, false, []);
          return abort.signal;
        }
      },
      BroadcastChannel: profile.channels.of(this),
      Date: PageDate,
      EventSource: this.#network.EventSource,
      IDBDatabase: FakeDatabase,
      IDBFactory: FakeFactory,
      IDBKeyRange: FakeKeyRange,
      IDBOpenDBRequest: FakeOpenRequest,
      Math: math,
      MessageChannel: portsOf(this),
      Response,
      WebAssembly: wasm,
      WebSocket: this.#network.WebSocket,
      clearInterval: clearTimer,
      clearTimeout: clearTimer,
      console,
      crypto: { getRandomValues: (array: Uint32Array) => fill(array, world) },
      document: this.isWorker ? undefined : this.#document,
      fetch: (url: string | URL, init?: RequestInit) => this.#fetch(url, init),
      globalThis: window,
      indexedDB: profile.databases.of(this),
      localStorage: this.isWorker ? undefined : storageOf(profile.local),
      location: new URL(origin),
      navigator: {
        get onLine() {
          return profile.isOnline;
        },
        locks: profile.locks.of(this),
        serviceWorker: { ready: profile.hasWorker ? Promise.resolve(registration) : new Promise(() => {}) },
        permissions: { query: async () => ({ state: "granted" }) },
        storage: { persist: async () => true },
      },
      performance: { now: () => world.nowMs, getEntriesByType: () => [] },
      queueMicrotask: (run: () => void) => queueMicrotask(() => !this.isDead && run()),
      self: window,
      sessionStorage: this.isWorker ? undefined : storageOf(this.session),
      setInterval: (run: unknown, delayMs: number, ...args: unknown[]) => setTimer(run, delayMs, true, args),
      setTimeout: (run: unknown, delayMs: number, ...args: unknown[]) => setTimer(run, delayMs, false, args),
      window: this.isWorker ? undefined : window,
    };
    if (this.isWorker) Object.assign(window, { registration });
    return globals;
  }
}

function fill(array: Uint32Array, world: World): Uint32Array {
  for (let i = 0; i < array.length; i++)
    array[i] = Math.floor(world.random() * 2 ** (8 * array.BYTES_PER_ELEMENT));
  return array;
}

function storageOf(kept: Map<string, string>): object {
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, String(value)),
    removeItem: (key: string) => void kept.delete(key),
  };
}
