// Relays HTTP and refuses WebSocket. It counts open requests, and can cut them at an age as
// balancers do.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listening } from "./site.js";

export interface Relay {
  url: string;
  /** How many event streams and long polls are open now. */
  openCount: () => number;
  /** The most that were open at once. */
  openMax: () => number;
  /** The poll timeouts that polls asked for, ms, in order. */
  pollTimeoutsMs: readonly number[];
  /** How many polls it has cut. */
  cuts: () => number;
  close: () => void;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/**
 * With `cutMs` it cuts polls at that age. With `isMultiplexed` it speaks HTTP/2 over TLS, with a
 * certificate of its own.
 */
export async function startRelay(
  upstream: string,
  { cutMs = Number.POSITIVE_INFINITY, isMultiplexed = false } = {},
): Promise<Relay> {
  let openCount = 0;
  let openMax = 0;
  let cuts = 0;
  const pollTimeoutsMs: number[] = [];
  const open = new Set<Socket>();
  const relay = async (incoming: Request, response: Response): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = incoming.url ?? "/";
    const timeoutMs = path === "/v1/poll" ? Number(/ hold=(\d+)/.exec(body.toString())?.[1] ?? 0) : 0;
    if (path === "/v1/poll" && incoming.method === "POST") pollTimeoutsMs.push(timeoutMs);
    const isLong = timeoutMs > 0 || path.startsWith("/v1/events");
    if (isLong) openMax = Math.max(openMax, ++openCount);
    const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => name[0] !== ":"));
    const outgoing = request(`${upstream}${path}`, {
      method: incoming.method ?? "GET",
      headers: { ...headers, host: new URL(upstream).host, connection: "close" },
    });
    const age = setTimeout(
      () => {
        if (path !== "/v1/poll") return;
        cuts++;
        incoming.socket.destroy();
      },
      Math.min(cutMs, 2 ** 31 - 1),
    );
    response.on("close", () => {
      clearTimeout(age);
      if (isLong) openCount--;
      outgoing.destroy();
    });
    outgoing.on("error", () => incoming.socket.destroy());
    outgoing.on("response", (answer) => {
      const headers = Object.entries(answer.headers).filter(
        ([name]) => !/^(connection|transfer-encoding|keep-alive)$/.test(name),
      );
      (response as ServerResponse).writeHead(answer.statusCode ?? 502, Object.fromEntries(headers));
      answer.pipe(response as ServerResponse);
    });
    outgoing.end(body);
  };
  const listener = (incoming: Request, response: Response): void =>
    void relay(incoming, response).catch(() => incoming.socket.destroy());
  const server = isMultiplexed ? createSecureServer(certificate(), listener) : createServer(listener);
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
  });
  server.on("upgrade", (_: IncomingMessage, socket: Socket) => socket.destroy());
  await listening(server as Server);
  return {
    url: `${isMultiplexed ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    openCount: () => openCount,
    openMax: () => openMax,
    pollTimeoutsMs,
    cuts: () => cuts,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function certificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-relay-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync(
    "openssl",
    ["req", "-x509", ...curve, "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", key, "-out", cert],
    { stdio: "ignore" },
  );
  const pair = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return pair;
}
