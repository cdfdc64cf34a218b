// Reads files beside the package, because Node's fetch can't.

/** The part of Node's `process` that browsers lack. */
interface Process {
  getBuiltinModule?(name: "node:fs"): { readFileSync(url: URL): Uint8Array<ArrayBuffer> };
}

/** The bytes of a file; undefined for other addresses, and outside of Node. */
export function readFile(url: URL): Uint8Array<ArrayBuffer> | undefined {
  if (url.protocol !== "file:") return undefined;
  const { process } = globalThis as { process?: Process };
  return process?.getBuiltinModule?.("node:fs").readFileSync(url);
}

/** A file as an answer with the type of wasm. */
export function fileAnswer(address: string | URL): Response | undefined {
  const bytes = readFile(new URL(address, globalThis.location?.href));
  return bytes && new Response(bytes, { headers: { "content-type": "application/wasm" } });
}
