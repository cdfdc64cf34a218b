// Instances of a wasm: each client has its own, which nothing of another one can reach, and which ends as a whole.
//
// After a panic an instance goes on half alive. So the first exception out of it is its end: nothing enters it any more, nothing
// comes out of it, and what it had opened is closed. Who owns it is told, and makes another one of the same module.

import type { Options } from "./api.js";

/** What scripts/lib/bindings.mjs makes of the generated code, once an instance. */
export interface Bindings {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
}

/** Ends an instance. */
export type End = () => void;

/** What an instance may have open; of its listeners and requests it is the signal. A worker may lack some. */
const openable = ["WebSocket", "EventSource", "AbortController"] as const;
type Open = InstanceType<(typeof globalThis)[(typeof openable)[number]]>;

/**
 * What the browser calls by itself: closures and finalizers. The rest is called by the owner of the instance, who catches what it
 * throws: something around each call would cost every message.
 */
const isForBrowser = /closure|^__wbg_/;

/** What a call that is not made any more gives; closures look for a thrown value in it. */
const nothing = [0, 0];

/** The module, downloaded where it has to be, for as many instances as it takes. */
export async function compile(wasm: NonNullable<Options["wasm"]>): Promise<WebAssembly.Module> {
  const source = typeof wasm === "string" || wasm instanceof URL ? await fetch(wasm) : wasm;
  if (!(source instanceof Response)) {
    return source instanceof WebAssembly.Module ? source : WebAssembly.compile(source);
  }
  if (!source.ok) throw new Error(`HTTP ${source.status} for ${source.url}`);
  const isStreamed = source.headers.get("content-type") === "application/wasm";
  return isStreamed ? WebAssembly.compileStreaming(source) : WebAssembly.compile(await source.arrayBuffer());
}

/** An instance behind `bindings`. `crashed` is told what came out of it where the browser had called it. */
export async function instantiate(
  module: WebAssembly.Module,
  bindings: Bindings,
  crashed: (cause: unknown) => void,
): Promise<End> {
  let isOver = false;
  let opened: WeakRef<Open>[] = [];
  const imported: Record<string, (...args: unknown[]) => unknown> = {};
  for (const [name, value] of Object.entries(bindings)) {
    imported[name] = (...args) => {
      // Called from within the instance all the same, below whose frames it has crashed: only a throw ends them.
      if (isOver) throw new Error("the instance is over");
      const result = value(...args);
      if (isOpen(result)) opened = [...opened.filter((ref) => ref.deref()), new WeakRef(result)];
      return result;
    };
  }
  const name = WebAssembly.Module.imports(module)[0]?.module ?? "";
  const { exports } = await WebAssembly.instantiate(module, { [name]: imported });
  const guarded: PropertyDescriptorMap = {};
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function" || !isForBrowser.test(name)) continue;
    guarded[name] = {
      value: (...args: unknown[]) => {
        if (isOver) return nothing;
        try {
          return value(...args);
        } catch (cause) {
          crashed(cause);
          return nothing;
        }
      },
    };
  }
  bindings.__wbg_set_wasm(Object.create(exports, guarded));
  (exports["__wbindgen_start"] as () => void)();
  return () => {
    isOver = true;
    for (const ref of opened) {
      const open = ref.deref();
      if (open instanceof AbortController) open.abort();
      else open?.close();
    }
  };
}

function isOpen(result: unknown): result is Open {
  if (typeof result !== "object" || result === null) return false;
  return openable.some((name) => globalThis[name] !== undefined && result instanceof globalThis[name]);
}
