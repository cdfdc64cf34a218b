// Files beside the package, where there is no server for them: Node's fetch knows no files.

/** Node's, for what it has and browsers do not. */
interface Process {
  getBuiltinModule?(name: "node:fs"): { readFileSync(url: URL): Uint8Array<ArrayBuffer> };
}

/** The bytes of a file, at once. Undefined for other addresses, and where files can't be read. */
export function readFile(url: URL): Uint8Array<ArrayBuffer> | undefined {
  if (url.protocol !== "file:") return undefined;
  const { process } = globalThis as { process?: Process };
  return process?.getBuiltinModule?.("node:fs").readFileSync(url);
}

/** A file as an answer: that of the package's wasm has its type. */
export function fileAnswer(address: string | URL): Response | undefined {
  const bytes = readFile(new URL(address, globalThis.location?.href));
  return bytes && new Response(bytes, { headers: { "content-type": "application/wasm" } });
}
