// Crashes the wasm in a page, in two ways. `corrupt` overwrites its memory, so whatever runs in it
// next fails. `panic` makes one call throw, after which the instance could still run.

import type { Page } from "@playwright/test";

/** The controls that `watchInstances` puts into a page. */
export interface Crash {
  /**
   * Overwrites the memory of all instances with this export that have not crashed before. Returns
   * how many there were.
   */
  corrupt(having: "core_start" | "documentcore_changes"): number;
  /** Makes the next call of this export do its work and then throw. */
  panic(name: string): void;
  /**
   * Calls in instances that have panicked: those that went in, and those that came out and got an
   * answer.
   */
  late: { ins: string[]; outs: string[] };
  /** How many instances with this export exist so far. */
  made(having: "core_start" | "documentcore_changes"): number;
  /** How many sockets and event streams are neither closed nor closing. */
  open(): number;
  /** The browser's sockets, in the order in which they opened. */
  sockets(): WebSocket[];
  /** How many times the page has downloaded the wasm. */
  downloads(): number;
}

declare global {
  var crash: Crash;
}

/** Makes the page record each instance of a wasm and each connection from now on. */
export async function watchInstances(page: Page): Promise<void> {
  await page.evaluate(() => {
    const instances: WebAssembly.Instance[] = [];
    const corrupted = new Set<WebAssembly.Instance>();
    const connections: (WebSocket | EventSource)[] = [];
    const instantiate = WebAssembly.instantiate as (
      module: WebAssembly.Module,
      imports: WebAssembly.Imports,
    ) => Promise<WebAssembly.Instance>;
    type Call = (...args: unknown[]) => unknown;
    const late: Crash["late"] = { ins: [], outs: [] };
    let panicking: string | undefined;
    WebAssembly.instantiate = (async (module: WebAssembly.Module, imports: WebAssembly.Imports) => {
      let hasPanicked = false;
      const watched: WebAssembly.Imports = {};
      for (const [from, each] of Object.entries(imports)) {
        const calls = Object.entries(each).map(([name, call]) => [
          name,
          (...args: unknown[]) => {
            const isLate = hasPanicked;
            const result = (call as Call)(...args);
            if (isLate) late.outs.push(name);
            return result;
          },
        ]);
        watched[from] = Object.fromEntries(calls);
      }
      const instance = await instantiate(module, watched);
      instances.push(instance);
      const exports = { ...instance.exports };
      for (const [name, call] of Object.entries(instance.exports)) {
        if (typeof call !== "function") continue;
        exports[name] = (...args: unknown[]) => {
          if (hasPanicked) late.ins.push(name);
          const result = call(...args);
          if (panicking !== name) return result;
          panicking = undefined;
          hasPanicked = true;
          throw new WebAssembly.RuntimeError("panicked");
        };
      }
      return { exports };
    }) as typeof WebAssembly.instantiate;
    globalThis.WebSocket = class extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        connections.push(this);
      }
    };
    globalThis.EventSource = class extends EventSource {
      constructor(...args: ConstructorParameters<typeof EventSource>) {
        super(...args);
        connections.push(this);
      }
    };
    const having = (name: string) => instances.filter(({ exports }) => name in exports);
    globalThis.crash = {
      corrupt(name) {
        const fresh = having(name).filter((instance) => !corrupted.has(instance));
        for (const instance of fresh) {
          corrupted.add(instance);
          const memory = instance.exports["memory"] as WebAssembly.Memory;
          new Uint8Array(memory.buffer).fill(0xff);
        }
        return fresh.length;
      },
      panic(name) {
        panicking = name;
      },
      late,
      made: (name) => having(name).length,
      open: () => connections.filter(({ readyState }) => readyState < 2).length,
      sockets: () => connections.filter((each) => each instanceof WebSocket),
      downloads: () =>
        performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/longhaul_bg.wasm"))
          .length,
    };
  });
}
