// Servers that misbehave as the real hub never does: another server, a broken one, a proxy that
// interferes.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { listening } from "./site.js";

export interface FakeHub {
  url: string;
  /** How many attempts clients have made. */
  attempts: () => number;
  close: () => void;
}

/** Speaks WebSocket; the test decides what it sends. */
export async function fakeHub(
  act: (socket: WebSocket, attempt: number) => void,
  { subprotocol = "longhaul.v1" as string | false } = {},
): Promise<FakeHub> {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol });
  let attempts = 0;
  const hub = await refusing((request, socket) => {
    sockets.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) => act(webSocket, ++attempts));
  });
  return { ...hub, attempts: () => attempts };
}

/** Lets the test answer the handshake itself. */
export async function refusing(act: (request: IncomingMessage, socket: Duplex) => void): Promise<FakeHub> {
  let attempts = 0;
  const open = new Set<Duplex>();
  const server: Server = createServer();
  server.on("upgrade", (request, socket) => {
    attempts++;
    open.add(socket);
    socket.on("error", () => {});
    act(request, socket);
  });
  await listening(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    attempts: () => attempts,
    close: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

/** The address of a port on which no server listens. */
export async function nobody(): Promise<string> {
  const server = createServer();
  await listening(server);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
