// A device: its line, and the network classes that replace those of the browser.

import type { BrowserOptions, Scope, TestBrowser } from "./api.js";
import { put } from "./clock.js";
import type { Device } from "./device.js";
import { FakeEventSource } from "./eventsource.js";
import { makeFetch } from "./fetch.js";
import { Line } from "./line.js";
import type { Random } from "./random.js";
import type { Server } from "./server.js";
import { FakeWebSocket } from "./websocket.js";

export class Browser implements TestBrowser {
  readonly url: string;
  readonly line: Line;
  readonly WebSocket: typeof globalThis.WebSocket;
  readonly EventSource: typeof globalThis.EventSource;
  readonly fetch: typeof globalThis.fetch;
  readonly #base: URL;
  readonly #installed = new Set<() => void>();

  constructor(
    server: Server,
    random: Random,
    isOriginServed: Device["isOriginServed"],
    options: Required<BrowserOptions>,
  ) {
    this.#base = new URL(options.url);
    this.url = options.url;
    const line = new Line(server.clock, random);
    this.line = line;
    const { origin } = options;
    const device: Device = { line, server, origin, isOriginServed, isHub: (url) => this.isHub(url) };
    this.WebSocket = class extends FakeWebSocket {
      constructor(url: string | URL, protocols?: string | readonly string[]) {
        super(device, url, protocols);
      }
    } as unknown as typeof globalThis.WebSocket;
    this.EventSource = class extends FakeEventSource {
      constructor(url: string | URL, init?: EventSourceInit) {
        super(device, url, init);
      }
    } as unknown as typeof globalThis.EventSource;
    this.fetch = makeFetch(device);
  }

  /** Whether an address is the hub's, with either scheme. */
  isHub(url: URL): boolean {
    return url.host === this.#base.host && isSecure(url) === isSecure(this.#base);
  }

  install(scope: Scope = globalThis): () => void {
    const theirFetch = scope.fetch;
    const routedFetch: typeof globalThis.fetch = async (input, init) => {
      const address = input instanceof Request ? input.url : input;
      if (theirFetch === undefined || this.#isOurs(address)) return this.fetch(input, init);
      return theirFetch.call(scope, input, init);
    };
    const undo = [
      put(scope, "WebSocket", this.#routed(scope.WebSocket, this.WebSocket)),
      put(scope, "EventSource", this.#routed(scope.EventSource, this.EventSource)),
      put(scope, "fetch", routedFetch),
      // js/src/browser.ts: a server with this network is a test.
      put(scope, "longhaulNetwork", true),
    ];
    const uninstall = (): void => {
      if (!this.#installed.delete(uninstall)) return;
      for (const each of undo.reverse()) each();
    };
    this.#installed.add(uninstall);
    return uninstall;
  }

  uninstall(): void {
    for (const each of [...this.#installed].reverse()) each();
  }

  /** A class that makes instances of ours for the hub's address, and of theirs for all others. */
  #routed<C extends Constructor>(theirs: C | undefined, ours: C): C {
    if (theirs === undefined) return ours;
    return new Proxy(ours, {
      construct: (_, args: ConstructorParameters<C>) =>
        Reflect.construct(this.#isOurs(args[0]) ? ours : theirs, args),
      get: (target, name) =>
        name === Symbol.hasInstance
          ? (value: unknown) => value instanceof ours || value instanceof theirs
          : Reflect.get(target, name),
    });
  }

  #isOurs(address: string | URL): boolean {
    try {
      return this.isHub(new URL(address, globalThis.location?.href));
    } catch {
      return false;
    }
  }
}

function isSecure({ protocol }: URL): boolean {
  return protocol === "https:" || protocol === "wss:";
}

type Constructor = new (address: string | URL, ...rest: never[]) => object;
