// Instances of a wasm: each client has its own, which nothing of another one can reach, and which ends as a whole.
//
// After a panic an instance goes on half alive. So the first exception out of it is its end: nothing enters it any more, nothing
// comes out of it, and what it had opened is closed. Who owns it is told, and makes another one of the same module.

import type { Options } from "./api.js";
import { found, listen, place } from "./browser.js";

/** What tools/scripts/lib/bindings.mjs makes of the generated code, once an instance. */
export interface Bindings {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
}

/** Ends an instance. */
export type End = () => void;

/**
 * What an instance may have open; of its listeners and requests it is the signal. A worker may lack some. A database that
 * stays open would keep the instance alive, and others from removing it.
 */
const openable = ["WebSocket", "EventSource", "AbortController", "IDBDatabase", "IDBOpenDBRequest"] as const;
type Open = InstanceType<(typeof globalThis)[(typeof openable)[number]]>;

/**
 * What the browser calls by itself: closures and finalizers. The rest is called by the owner of the instance, who catches what it
 * throws: something around each call would cost every message.
 */
const isForBrowser = /closure|^__wbg_/;

/** What a call that is not made any more gives; closures look for a thrown value in it. */
const nothing = [0, 0];

/** Why there is no module. */
export interface LoadFault extends Error {
  /** Something else than the wasm was there: another file, or nothing of that name. */
  readonly isAnother: boolean;
  /** No other attempt can go better. */
  readonly isFinal: boolean;
}

/** Within so long a server begins to answer, ms. Chosen: longer than a bad line takes to connect. */
const answerMsMax = 15_000;

/** Within so long, ms, all is there, and in each later attempt as long again. Chosen: 100 KB at 1.7 KB/s. */
const downloadMsMax = 60_000;

/** A module of nothing. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/**
 * The module, downloaded where it has to be, for as many instances as it takes. A later attempt asks past the browser's
 * cache. Rejects with a `LoadFault`.
 */
export async function compile(
  wasm: NonNullable<Options["wasm"]>,
  attempt = 1,
  signal?: AbortSignal,
): Promise<WebAssembly.Module> {
  const isAddress = typeof wasm === "string" || wasm instanceof URL;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  signal?.addEventListener("abort", stop);
  let patience = setTimeout(stop, answerMsMax);
  let status = 0;
  let isForbidden = false;
  const mute = listen("securitypolicyviolation", (event) => {
    const { blockedURI, disposition } = event as SecurityPolicyViolationEvent;
    isForbidden ||= disposition === "enforce" && absolute(wasm).startsWith(blockedURI);
  });
  try {
    const cache = attempt > 1 ? "reload" : "default";
    const source = isAddress ? await fetch(wasm, { cache, signal: abort.signal }) : wasm;
    clearTimeout(patience);
    patience = setTimeout(stop, downloadMsMax * attempt);
    if (!(source instanceof Response)) {
      return source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
    }
    status = source.status;
    if (!source.ok) throw new Error(`HTTP ${status} for ${source.url}`);
    const isStreamed = source.headers.get("content-type") === "application/wasm";
    return await (isStreamed
      ? WebAssembly.compileStreaming(source)
      : WebAssembly.compile(await source.arrayBuffer()));
  } catch (cause) {
    const fault = new Error(abort.signal.aborted ? "no answer in time" : String(cause), { cause });
    // What a policy forbids is told in a task of its own.
    if (status === 0) await new Promise((resolve) => setTimeout(resolve));
    // A hub of files that is being deployed, or asks for patience, says nothing of them.
    const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429;
    throw Object.assign(fault, {
      isAnother: isRefused || (status === 200 && !(cause instanceof TypeError)),
      isFinal: !isAddress || isForbidden || !(await canCompile()),
    }) satisfies LoadFault;
  } finally {
    mute();
    clearTimeout(patience);
    signal?.removeEventListener("abort", stop);
  }
}

/** As events name it. */
function absolute(address: unknown): string {
  return found(() => new URL(String(address), place()?.href).href) ?? "";
}

interface Loading {
  readonly module: Promise<WebAssembly.Module>;
  readonly abort: AbortController;
  /** Clients that wait for it. */
  waiting: number;
}

/** A module that clients share, and its download while it is under way. */
export class Shared {
  #loading: Loading | undefined;

  /** As `compile`. A download ends where nobody waits for it any more; one that failed is made anew by the next call. */
  async load(
    wasm: NonNullable<Options["wasm"]>,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<WebAssembly.Module> {
    this.#loading ??= begin(wasm, attempt);
    const mine = this.#loading;
    const forget = (): void => {
      if (this.#loading === mine) this.#loading = undefined;
    };
    const leave = (): void => {
      if (--mine.waiting > 0) return;
      mine.abort.abort();
      forget();
    };
    mine.waiting++;
    signal?.addEventListener("abort", leave);
    try {
      return await mine.module;
    } catch (cause) {
      forget();
      throw cause;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }
}

function begin(wasm: NonNullable<Options["wasm"]>, attempt: number): Loading {
  const abort = new AbortController();
  return { module: compile(wasm, attempt, abort.signal), abort, waiting: 0 };
}

/** Whether wasm is allowed here at all: a Content-Security-Policy or the user may forbid it. */
async function canCompile(): Promise<boolean> {
  try {
    return (await WebAssembly.compile(emptyModule)) !== undefined;
  } catch {
    return false;
  }
}

/** What is opened later by a request has nobody to take it: a database that stays open stops others from removing it. */
function letGo(open: Open): void {
  if (open instanceof AbortController) open.abort();
  else if ("result" in open) {
    const close = (): void => found(() => open.result)?.close();
    open.addEventListener("success", close);
    close();
  } else open.close();
}

/** An instance behind `bindings`. `crashed` is told what came out of it where the browser had called it, once that is its end. */
export async function instantiate(
  module: WebAssembly.Module,
  bindings: Bindings,
  crashed: (cause: unknown) => void,
): Promise<End> {
  let isOver = false;
  const classes = openable
    .map((name) => found(() => globalThis[name]))
    .filter((known) => known !== undefined);
  const isOpen = (result: unknown): result is Open =>
    typeof result === "object" && classes.some((known) => result instanceof known);
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
  const end = (): void => {
    isOver = true;
    for (const ref of opened) {
      const open = ref.deref();
      if (open !== undefined) letGo(open);
    }
  };
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
          end();
          crashed(cause);
          return nothing;
        }
      },
    };
  }
  bindings.__wbg_set_wasm(Object.create(exports, guarded));
  (exports["__wbindgen_start"] as () => void)();
  return end;
}
