// Serves the test page and the built package as an app's server would, from another origin than the
// hub.

import { createReadStream, existsSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/**
 * The package under test: the shipped one, or the one that `npm test -- --only plain` has built.
 */
const dist = join(root, process.env["LONGHAUL_DIST"] ?? "js/dist");
const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
  ".map": "application/json",
};

/** The Content-Security-Policy that the docs recommend. */
const policy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-inline'; connect-src 'self' ws: http:";

/** Answers a request that is not for a file, and returns whether it did. */
export type Answerer = (path: string, request: IncomingMessage, response: ServerResponse) => boolean;

/** Serves the pages of a folder of tests/; without one, the folder of most tests. */
export async function serveSite(
  folder = "e2e/page",
  answer: Answerer = () => false,
): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://x").pathname);
    if (answer(path, request, response)) return;
    const file = path.startsWith("/longhaul/")
      ? join(dist, path.slice("/longhaul/".length))
      : join(root, "tests", folder, path === "/" ? "index.html" : path);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "content-security-policy": policy,
    });
    createReadStream(file).pipe(response);
  });
  await listening(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => server.close(),
  };
}

export function listening(server: Pick<Server, "listen">): Promise<void> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve());
  });
}
