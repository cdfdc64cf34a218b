// The modules of Node that tests need: browsers have none of them.

/** What is used of these modules. */
interface Modules {
  "node:fs": { readFileSync(url: URL): Uint8Array<ArrayBuffer> };
  "node:timers": { setImmediate(task: () => void): void };
}

/** The part of Node's `process` that browsers lack. */
interface Process {
  getBuiltinModule?<K extends keyof Modules>(name: K): Modules[K];
}

/** A module of Node; undefined in browsers. */
export function builtIn<K extends keyof Modules>(name: K): Modules[K] | undefined {
  return (globalThis as { process?: Process }).process?.getBuiltinModule?.(name);
}

/** The bytes of a file, because Node's fetch can't read it; undefined for other addresses. */
export function readFile(url: URL): Uint8Array<ArrayBuffer> | undefined {
  return url.protocol === "file:" ? builtIn("node:fs")?.readFileSync(url) : undefined;
}
