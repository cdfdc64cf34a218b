// A gateway before the real hub. It lets in clients that show one of its own tokens (rules T1, C1
// and C9), and records the token of each publication.

import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { listening } from "./site.js";

/**
 * The answers of the token endpoint. "useless": a token that the gate refuses. "nothing": 503.
 * "nobody": 401, as without a signed-in user, with a token as body. "portal": 200 and HTML, as from
 * a captive portal. "cut": the connection breaks.
 */
export type TokenAnswer = "good" | "useless" | "nothing" | "nobody" | "portal" | "cut";

/** A publication that has reached the gate. */
export interface Passed {
  /** The subject of the token that it came with. */
  as: string;
  id: string;
  topic: string;
  data: { by: string; n: number };
}

export interface Gatekeeper {
  url: string;
  /**
   * The address that answers with a token as text. A service worker sends the user's cookies with
   * its request.
   */
  tokenUrl: string;
  /** How many requests for a token pages and workers have made. */
  calls: () => number;
  /** The tokens that clients have shown, in a post, a socket's hello or an `auth` record. */
  shown: () => { way: string; token: string }[];
  passed: () => readonly Passed[];
  give: (what: TokenAnswer, livesMs?: number) => void;
  /** Sets the subject of future tokens. */
  signIn: (user: string) => void;
  /** Makes future tokens opaque to clients: the gate shows the hub the JWT behind each. */
  veil: () => void;
  /** Makes all tokens so far invalid, and closes the connections that came with one. */
  revoke: () => void;
  /** Whether the hub is out of reach. The token endpoint always works. */
  setOutage: (isOut: boolean) => void;
  /** Holds publication posts, or their answers, until the promise resolves. */
  hold: (what: "posts" | "answers", until: Promise<unknown>) => void;
  close: () => void;
}

const bearer = /^Bearer (.*)$/;
const hello = /^hello .*?(?: token=(\S+))?$/m;
const auth = /^auth (\S+)$/m;
const publication = /^(?:pub|patch|merge) (\S+) (\d+) \d+ (\S+) (.*)$/gm;

export async function gatekeeper(hubUrl: string): Promise<Gatekeeper> {
  const shown: { way: string; token: string }[] = [];
  const passed: Passed[] = [];
  const connections = new Set<WebSocket>();
  /** The JWT that the hub sees, for each valid token. */
  const good = new Map<string, string>();
  let calls = 0;
  let user = "u";
  let isVeiled = false;
  let isOut = false;
  const held: { posts?: Promise<unknown>; answers?: Promise<unknown> } = {};
  let tokenAnswer: { what: TokenAnswer; livesMs: number } = { what: "good", livesMs: 3_600_000 };

  const isGood = (way: string, token: string | undefined): token is string => {
    if (token !== undefined) shown.push({ way, token });
    return token !== undefined && good.has(token);
  };
  const note = (token: string | undefined, frame: string): void => {
    const as = subject(good.get(token ?? ""));
    for (const [, producer, n, topic = "", payload = ""] of frame.matchAll(publication)) {
      passed.push({ as, id: `${producer}:${n}`, topic, data: JSON.parse(payload) });
    }
  };

  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    if (path === "/token") return answerToken(request, response);
    const body = await read(request);
    // The client has gone away.
    if (body === undefined) return;
    const token = bearer.exec(request.headers.authorization ?? "")?.[1];
    if (isOut) {
      response.destroy();
    } else if (request.method !== "POST" || isGood(path, token)) {
      note(token, body);
      if (isPublication(request)) await held.posts;
      pass(request, response, body, good.get(token ?? ""));
    } else {
      const headers = { "content-type": "application/problem+json", "access-control-allow-origin": "*" };
      response.writeHead(401, headers).end('{"code":"unauthorized","status":401}');
    }
  });

  const answerToken = (request: IncomingMessage, response: ServerResponse): void => {
    calls++;
    const headers = {
      "access-control-allow-origin": request.headers.origin ?? "*",
      "access-control-allow-credentials": "true",
      "cache-control": "no-store",
    };
    const { what, livesMs } = tokenAnswer;
    if (what === "cut") response.destroy();
    else if (what === "nothing") response.writeHead(503, headers).end();
    else if (what === "nobody") response.writeHead(401, headers).end(tokenOf(user, {}));
    else if (what === "portal") {
      response.writeHead(200, { ...headers, "content-type": "text/html" }).end("<html>Wi-Fi</html>");
    } else {
      const jwt = tokenOf(user, { n: calls, exp: (Date.now() + livesMs) / 1_000 });
      const token = isVeiled ? `veiled-${calls}` : jwt;
      if (what === "good") good.set(token, jwt);
      response.writeHead(200, headers).end(token);
    }
  };

  const pass = (
    request: IncomingMessage,
    response: ServerResponse,
    body: string,
    jwt: string | undefined,
  ): void => {
    const headers = { ...request.headers, host: new URL(hubUrl).host };
    if (jwt !== undefined) headers.authorization = `Bearer ${jwt}`;
    const { method } = request;
    const onward = send(new URL(request.url ?? "/", hubUrl), { method, headers }, async (answer) => {
      if (isPublication(request)) await held.answers;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    onward.end(body);
  };

  const sockets = new WebSocketServer({ server, handleProtocols: () => "longhaul.v1" });
  sockets.on("connection", (connection) => {
    if (isOut) return connection.terminate();
    connections.add(connection);
    const hub = new WebSocket(`${hubUrl.replace("http", "ws")}/v1/connect`, "longhaul.v1", {
      headers: { origin: "http://127.0.0.1" },
    });
    const opened = new Promise((resolve) => hub.once("open", resolve));
    let token: string | undefined;
    connection.on("message", async (data) => {
      let frame = String(data);
      for (const [record, way] of [
        [hello, "hello"],
        [auth, "auth"],
      ] as const) {
        const found = record.exec(frame);
        if (found === null) continue;
        token = found[1];
        if (!isGood(way, token)) return connection.close(4401, "unauthorized not a token of mine");
        frame = frame.replace(token, good.get(token) ?? token);
      }
      note(token, frame);
      await opened;
      if (hub.readyState === hub.OPEN) hub.send(frame);
    });
    hub.on("message", (data) => connection.send(String(data)));
    hub.on("error", () => connection.terminate());
    hub.on("close", (code, reason) => {
      if (code >= 4_000) connection.close(code, String(reason));
      else connection.close();
    });
    connection.on("close", () => {
      connections.delete(connection);
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
    passed: () => passed,
    give: (what, livesMs = 3_600_000) => {
      tokenAnswer = { what, livesMs };
    },
    signIn: (name) => {
      user = name;
    },
    veil: () => {
      isVeiled = true;
    },
    revoke: () => {
      good.clear();
      for (const connection of connections) connection.close(4401, "unauthorized revoked");
    },
    setOutage: (isNow) => {
      isOut = isNow;
      if (isOut) for (const connection of connections) connection.terminate();
    },
    hold: (what, until) => {
      held[what] = until;
    },
    close: () => {
      for (const connection of connections) connection.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An unsigned JWT. */
function tokenOf(sub: string, claims: object): string {
  return `h.${Buffer.from(JSON.stringify({ sub, ...claims })).toString("base64url")}.s`;
}

function subject(token = ""): string {
  const claims = token.split(".")[1];
  return claims === undefined ? "" : JSON.parse(String(Buffer.from(claims, "base64url"))).sub;
}

/** Whether the request publishes; a preflight does not. */
function isPublication({ method, url }: IncomingMessage): boolean {
  return method === "POST" && url === "/v1/publish";
}

async function read(request: IncomingMessage): Promise<string | undefined> {
  let body = "";
  request.setEncoding("utf8");
  try {
    for await (const part of request) body += part;
    return body;
  } catch {
    return undefined;
  }
}
