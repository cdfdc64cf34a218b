// A page or a service worker: its own globals and its own instance of the shipped files. It can be frozen and killed
// at any moment between two tasks; nothing of a dead page runs any more.

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

/** Where the files of the app lie. */
const origin = "https://app.test/";

/** Of the device, when a program begins. Chosen. */
const startMs = Date.UTC(2026, 10, 30);

/** How long a file takes from the app's server, ms. Chosen. */
const loadMs = 12;

/** What the network gives a page. */
export interface Network {
  WebSocket: unknown;
  EventSource: unknown;
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** The page is gone: the other side sees its connections end. */
  drop(): void;
}

export type Connect = (page: Page) => Network;

/** Node forgets all but the last signal of a target once it has collected garbage, and then does not remove their listeners. */
class Target extends EventTarget {
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    const { signal, ...rest }: AddEventListenerOptions =
      typeof options === "object" ? options : { capture: options ?? false };
    // As the DOM has it: with a signal that is over nothing is added.
    if (signal?.aborted) return;
    super.addEventListener(type, listener, rest);
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener, rest));
  }
}

export class Page {
  readonly profile: Profile;
  readonly world: World;
  readonly isWorker: boolean;
  /** A tab's, which outlives its pages. */
  readonly session: Map<string, string>;
  readonly globals: Globals;
  readonly window: EventTarget & Record<string, unknown>;
  readonly #document = new Target() as EventTarget & Record<string, unknown>;
  readonly #network: Network;
  readonly #timers = new Map<number, Task>();
  readonly #modules = new Map<string, Promise<unknown>>();
  /** Of the wasm, as long as something holds them. */
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

  /** As Chromium has it in a frame with `sandbox="allow-scripts"`. */
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

  /** A fault has struck here. */
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

  /** Evaluates one of the shipped files here: once, as modules are. */
  import(name: string): Promise<unknown> {
    const known = this.#modules.get(name);
    if (known !== undefined) return known;
    const { shipped } = this.profile;
    const loaded = this.#download(name).then(() =>
      shipped.script(name)(this.globals, `${origin}${name}`, (url) => this.#load(url)),
    );
    this.#modules.set(name, loaded);
    // What has failed may be tried again: browsers differ in this, and the address tells them apart.
    loaded.catch(() => this.#modules.delete(name));
    return loaded;
  }

  #load(url: string): Promise<unknown> {
    const { pathname } = new URL(url, origin);
    return this.import(pathname.slice(1)).catch((cause) => {
      throw new TypeError(`Failed to fetch dynamically imported module: ${url}`, { cause });
    });
  }

  /** What the window and the document hear. */
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

  /** As a browser ends a page that it closes: with its last events. */
  async unload(): Promise<void> {
    this.thaw();
    this.fire("pagehide", { persisted: false });
    await this.world.settle();
    this.kill();
  }

  /** At once. */
  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#parked = [];
    for (const task of this.#timers.values()) task.cancel();
    this.#timers.clear();
    this.profile.drop(this);
    this.#network.drop();
  }

  /** What of the package is still there, after all clients have been closed; of the wasm, what a collection has left. */
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

  /** A file of the app: the server may be away, or answer with an error. */
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

  /** What was downloaded is the name of a file, compiled already; what the package brings itself is compiled. */
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
