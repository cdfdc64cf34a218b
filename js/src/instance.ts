// Downloads wasm modules, and makes an instance for each client.
//
// The first exception out of an instance ends it, because a panic leaves its state half changed. No
// call enters or leaves it any more, and what it had opened is closed. Its owner makes a new one.

import type { Options } from "./api.js";
import { found, listen, pageLocation, readFile } from "./browser.js";

/** The bindings of one instance, as tools/scripts/lib/bindings.mjs makes them. */
export interface Bindings {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
}

export type EndInstance = () => void;

/**
 * The classes of objects that an instance may have open. An AbortController closes its listeners
 * and requests. An open database would keep the instance alive, and would block its deletion. A
 * worker may lack some of the classes.
 */
const openable = ["WebSocket", "EventSource", "AbortController", "IDBDatabase", "IDBOpenDBRequest"] as const;
type Open = InstanceType<(typeof globalThis)[(typeof openable)[number]]>;

/**
 * The exports that the browser calls by itself: closures and finalizers. The instance's owner calls
 * the others and catches their exceptions, because a wrapper would cost time for each message.
 */
const isForBrowser = /closure|^__wbg_/;

/** The result of a call into an ended instance. Closures look for a thrown value in it. */
const nothing = [0, 0];

/** A module, or where it comes from. */
export type Source = Exclude<Awaited<Options["wasm"]>, undefined>;

/** Why a module could not be loaded. */
export interface LoadFault extends Error {
  /** Whether the server sent something else than the wasm: another file, or a 404. */
  readonly isAnother: boolean;
  /** Whether no other attempt can succeed. */
  readonly isFinal: boolean;
}

/** The time until a server begins to answer, ms. Chosen: a bad network needs less to connect. */
const answerMsMax = 15_000;

/**
 * The time for the rest, ms, multiplied by the number of the attempt. Chosen: 100 KB at 1.7 KB/s.
 */
const downloadMsMax = 60_000;

/** A module without content. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/**
 * Compiles a module, and downloads it if it is an address. A later attempt bypasses the browser's
 * cache. Rejects with a `LoadFault`.
 */
export async function compile(wasm: Source, attempt = 1, signal?: AbortSignal): Promise<WebAssembly.Module> {
  const isAddress = typeof wasm === "string" || wasm instanceof URL;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  signal?.addEventListener("abort", stop);
  let timer = setTimeout(stop, answerMsMax);
  let status = 0;
  let isForbidden = false;
  const mute = listen("securitypolicyviolation", (event) => {
    const { blockedURI, disposition } = event as SecurityPolicyViolationEvent;
    isForbidden ||= disposition === "enforce" && absolute(wasm).startsWith(blockedURI);
  });
  try {
    const cache = attempt > 1 ? "reload" : "default";
    const source = isAddress
      ? (readFile(wasm) ?? (await fetch(wasm, { cache, signal: abort.signal })))
      : wasm;
    clearTimeout(timer);
    timer = setTimeout(stop, downloadMsMax * attempt);
    if (!(source instanceof Response)) {
      return source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
    }
    status = source.status;
    if (!source.ok) throw new Error(`HTTP ${status} for ${source.url}`);
    const type = source.headers.get("content-type");
    if (type?.startsWith("text/html")) throw new Error(`the server sent a page (HTML) for ${source.url}`);
    const isStreamed = type === "application/wasm";
    return await (isStreamed
      ? WebAssembly.compileStreaming(source)
      : WebAssembly.compile(await source.arrayBuffer()));
  } catch (cause) {
    const fault = new Error(abort.signal.aborted ? "no answer in time" : String(cause), { cause });
    // The browser reports the violation of a policy in a later task.
    if (status === 0) await new Promise((resolve) => setTimeout(resolve));
    // Other codes come from a server that is being deployed or is overloaded.
    const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429;
    throw Object.assign(fault, {
      isAnother: isRefused || (status === 200 && !(cause instanceof TypeError)),
      isFinal: !isAddress || isForbidden || !(await canCompile()),
    }) satisfies LoadFault;
  } finally {
    mute();
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** An address in the form of `blockedURI`. */
function absolute(address: unknown): string {
  return found(() => new URL(String(address), pageLocation()?.href).href) ?? "";
}

/** The option's value. Rejects with a final `LoadFault` if its promise rejects. */
export async function given(wasm: Options["wasm"]): Promise<Source | undefined> {
  try {
    return await wasm;
  } catch (cause) {
    const fault = new Error(String(cause), { cause });
    throw Object.assign(fault, { isAnother: true, isFinal: true }) satisfies LoadFault;
  }
}

interface Loading {
  readonly module: Promise<WebAssembly.Module>;
  readonly abort: AbortController;
  /** The number of clients that wait for it. */
  waiting: number;
}

/** A module that the clients of a page share. */
export class Shared {
  #loading: Loading | undefined;

  /**
   * As `compile`. The last client that leaves aborts the download. A call after a failure starts a
   * new one.
   */
  async load(wasm: Source, attempt: number, signal: AbortSignal | undefined): Promise<WebAssembly.Module> {
    // The client may have left while the option's promise was pending.
    signal?.throwIfAborted();
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

  /** Drops the module, which is no module of this package. The next call downloads again. */
  forget(): void {
    this.#loading = undefined;
  }
}

function begin(wasm: Source, attempt: number): Loading {
  const abort = new AbortController();
  return { module: compile(wasm, attempt, abort.signal), abort, waiting: 0 };
}

/** Whether the page may use wasm: a Content-Security-Policy or the user may forbid it. */
async function canCompile(): Promise<boolean> {
  try {
    return (await WebAssembly.compile(emptyModule)) !== undefined;
  } catch {
    return false;
  }
}

/** Closes an object. Closes the database of an open request, too, as soon as it is there. */
function closeOpen(open: Open): void {
  if (open instanceof AbortController) open.abort();
  else if ("result" in open) {
    const close = (): void => found(() => open.result)?.close();
    open.addEventListener("success", close);
    close();
  } else open.close();
}

/**
 * Makes an instance behind `bindings`. `crashed` gets an exception out of a call of the browser,
 * after the instance has ended.
 */
export async function instantiate(
  module: WebAssembly.Module,
  bindings: Bindings,
  crashed: (cause: unknown) => void,
): Promise<EndInstance> {
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
      // Frames of the instance below the crash still run. Only an exception ends them.
      if (isOver) throw new Error("the instance has ended");
      const result = value(...args);
      if (isOpen(result)) opened = [...opened.filter((ref) => ref.deref()), new WeakRef(result)];
      return result;
    };
  }
  const end = (): void => {
    isOver = true;
    for (const ref of opened) {
      const open = ref.deref();
      if (open !== undefined) closeOpen(open);
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
