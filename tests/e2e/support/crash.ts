// Crashes of the wasm in a page, of two kinds: its memory is overwritten, so that whatever runs in it next runs into nonsense; or a
// call throws and the instance could go on, as after a panic.

import type { Page } from "@playwright/test";

/** What `watchInstances` puts into a page. */
export interface Crash {
  /** Overwrites the memory of all instances that have an export of this name, and have not crashed before. Gives how many there were. */
  spoil(having: "core_start" | "documentcore_changes"): number;
  /** The next call of this export does its work and throws. */
  panic(name: string): void;
  /** What went on in instances that have panicked: calls that went in, and calls that came out and were served. */
  late: { ins: string[]; outs: string[] };
  /** Instances made so far that have an export of this name. */
  made(having: "core_start" | "documentcore_changes"): number;
  /** Sockets and event streams that are not closed or closing. */
  open(): number;
  /** Sockets in the order in which they were opened, as the browser has them. */
  sockets(): WebSocket[];
  /** Downloads of wasm. */
  downloads(): number;
}

declare global {
  var crash: Crash;
}

/** From now on the page knows each instance of a wasm and each connection. */
export async function watchInstances(page: Page): Promise<void> {
  await page.evaluate(() => {
    const instances: WebAssembly.Instance[] = [];
    const spoiled = new Set<WebAssembly.Instance>();
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
      spoil(name) {
        const fresh = having(name).filter((instance) => !spoiled.has(instance));
        for (const instance of fresh) {
          spoiled.add(instance);
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
