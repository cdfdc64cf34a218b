// A gateway before the real hub that lets in whoever shows a token of its own making, as rules T1, C1 and C9 have it.

import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { listening } from "./site.js";

export interface Gatekeeper {
  url: string;
  /** Where a page gets a token: its text. */
  tokenUrl: string;
  /** How often a page asked for one. */
  calls: () => number;
  /** How often someone came with a token: a post, a socket's hello, an `auth` record. */
  shown: () => { way: string; token: string }[];
  /** What the token endpoint does. "useless": tokens that the gate does not let in. */
  give: (what: "good" | "useless" | "nothing", livesMs?: number) => void;
  /** No token that was given so far is good any more, and who came in with one is sent away. */
  revoke: () => void;
  close: () => void;
}

export async function gatekeeper(hubUrl: string): Promise<Gatekeeper> {
  const shown: { way: string; token: string }[] = [];
  const guests = new Set<WebSocket>();
  const good = new Set<string>();
  let calls = 0;
  let giving: { what: "good" | "useless" | "nothing"; livesMs: number } = {
    what: "good",
    livesMs: 3_600_000,
  };

  const isGood = (way: string, token: string | undefined): boolean => {
    if (token !== undefined) shown.push({ way, token });
    return token !== undefined && good.has(token);
  };

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    if (path === "/token") return tell(response);
    const bearer = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1];
    if (request.method !== "POST" || isGood(path, bearer)) return pass(request, response);
    request.resume();
    const headers = { "content-type": "application/problem+json", "access-control-allow-origin": "*" };
    response.writeHead(401, headers).end('{"code":"unauthorized","status":401}');
  });

  const tell = (response: ServerResponse): void => {
    calls++;
    const headers = { "access-control-allow-origin": "*", "cache-control": "no-store" };
    if (giving.what === "nothing") {
      response.writeHead(503, headers).end();
      return;
    }
    const seconds = (Date.now() + giving.livesMs) / 1_000;
    const claims = Buffer.from(JSON.stringify({ sub: "u", n: calls, exp: seconds })).toString("base64url");
    const token = `h.${claims}.s`;
    if (giving.what === "good") good.add(token);
    response.writeHead(200, headers).end(token);
  };

  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    const onward = send(
      new URL(request.url ?? "/", hubUrl),
      { method: request.method, headers: { ...request.headers, host: new URL(hubUrl).host } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  };

  const sockets = new WebSocketServer({ server, handleProtocols: () => "longhaul.v1" });
  sockets.on("connection", (guest) => {
    guests.add(guest);
    const hub = new WebSocket(`${hubUrl.replace("http", "ws")}/v1/connect`, "longhaul.v1", {
      headers: { origin: "http://127.0.0.1" },
    });
    const opened = new Promise((resolve) => hub.once("open", resolve));
    guest.on("message", async (data) => {
      const frame = String(data);
      const hello = /^hello .*?(?: token=(\S+))?$/m.exec(frame);
      const auth = /^auth (\S+)$/m.exec(frame);
      const isRefused =
        (hello !== null && !isGood("hello", hello[1])) || (auth !== null && !isGood("auth", auth[1]));
      if (isRefused) guest.close(4401, "unauthorized not a token of mine");
      await opened;
      if (!isRefused && hub.readyState === hub.OPEN) hub.send(frame);
    });
    hub.on("message", (data) => guest.send(String(data)));
    hub.on("error", () => guest.terminate());
    hub.on("close", () => guest.close());
    guest.on("close", () => {
      guests.delete(guest);
      hub.terminate();
    });
  });
  await listening(server);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    tokenUrl: `${url}/token`,
    calls: () => calls,
    shown: () => shown,
    give: (what, livesMs = 3_600_000) => {
      giving = { what, livesMs };
    },
    revoke: () => {
      good.clear();
      for (const guest of guests) guest.close(4401, "unauthorized revoked");
    },
    close: () => {
      for (const guest of guests) guest.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}
