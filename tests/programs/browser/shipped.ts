// Turns the shipped files of js/dist into functions, which each page evaluates with its own
// globals. It changes three things in their text: exports become the return value, and `import()`
// and `import.meta.url` become the page's.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The globals that the shipped files may use; each page has its own. */
export const globalNames = [
  "AbortController",
  "AbortSignal",
  "BroadcastChannel",
  "Date",
  "EventSource",
  "IDBDatabase",
  "IDBFactory",
  "IDBKeyRange",
  "IDBOpenDBRequest",
  "Math",
  "MessageChannel",
  "Response",
  "WebAssembly",
  "WebSocket",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "document",
  "fetch",
  "globalThis",
  "indexedDB",
  "localStorage",
  "location",
  "navigator",
  "performance",
  "queueMicrotask",
  "self",
  "sessionStorage",
  "setInterval",
  "setTimeout",
  "window",
] as const;

export type Globals = Record<(typeof globalNames)[number], unknown>;

/** Evaluates a file with these globals and returns its exports. */
export type Evaluate = (globals: Globals, url: string, load: (url: string) => Promise<unknown>) => object;

export class Shipped {
  readonly #folder: string;
  readonly #files = new Map<string, Evaluate>();
  readonly #modules = new Map<string, WebAssembly.Module>();

  /** `folder` is js/dist, or the build of another version of the sources. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  script(name: string): Evaluate {
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const text = readFileSync(join(this.#folder, name), "utf8")
      .replace(
        /\bexport\s*\{([^}]*)\}/g,
        (_, names: string) => `return {${names.replace(/([\w$]+) as ([\w$]+)/g, "$2:$1")}}`,
      )
      .replaceAll("import.meta.url", "__url")
      .replace(/\bimport\(/g, "__load(");
    const made = new Function(...globalNames, "__url", "__load", `"use strict";${text}`) as (
      ...args: unknown[]
    ) => object;
    const evaluate: Evaluate = (globals, url, load) =>
      made(...globalNames.map((name) => globals[name]), url, load);
    this.#files.set(name, evaluate);
    return evaluate;
  }

  /** Compiles a wasm once in a process. The pages download its name. */
  module(name: string): WebAssembly.Module {
    let module = this.#modules.get(name);
    if (module === undefined) {
      module = new WebAssembly.Module(readFileSync(join(this.#folder, name)));
      this.#modules.set(name, module);
    }
    return module;
  }
}
