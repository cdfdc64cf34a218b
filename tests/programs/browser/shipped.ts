// The shipped files as functions: the text of js/dist, evaluated once a page with the page's own globals.
//
// Three things are changed in the text: what it exports is returned, `import()` and `import.meta.url` are the page's.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the shipped files may name of a browser; each page has its own. */
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

/** Evaluates a file with these globals and gives what it exports. */
export type Evaluate = (globals: Globals, url: string, load: (url: string) => Promise<unknown>) => object;

export class Shipped {
  readonly #folder: string;
  readonly #files = new Map<string, Evaluate>();
  readonly #modules = new Map<string, WebAssembly.Module>();

  /** `folder` is js/dist, or one that was built of another state of the sources. */
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

  /** Compiled once a process: what pages download is a name for it. */
  module(name: string): WebAssembly.Module {
    let module = this.#modules.get(name);
    if (module === undefined) {
      module = new WebAssembly.Module(readFileSync(join(this.#folder, name)));
      this.#modules.set(name, module);
    }
    return module;
  }
}
