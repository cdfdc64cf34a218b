// A gateway before the real hub that lets in whoever shows a token of its own making, as rules T1, C1 and C9 have it, and notes
// what each publication came with.

import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { listening } from "./site.js";

/**
 * What the token endpoint answers. "useless": tokens that the gate does not let in; "nothing": 503; "nobody": 401, as where nobody is
 * signed in, whatever its body; "portal": 200 and HTML, as a captive portal; "cut": the connection is lost.
 */
export type Giving = "good" | "useless" | "nothing" | "nobody" | "portal" | "cut";

/** A publication that has come as far as the gate. */
export interface Passed {
  /** Whose token it came with. */
  as: string;
  id: string;
  topic: string;
  data: { by: string; n: number };
}

export interface Gatekeeper {
  url: string;
  /** Where a page gets a token: its text. A service worker asks it with the cookies of whoever is signed in. */
  tokenUrl: string;
  /** How often a page or a worker asked for one. */
  calls: () => number;
  /** How often someone came with a token: a post, a socket's hello, an `auth` record. */
  shown: () => { way: string; token: string }[];
  passed: () => readonly Passed[];
  give: (what: Giving, livesMs?: number) => void;
  /** Whom tokens name from now on. */
  signIn: (user: string) => void;
  /** Tokens from now on say nothing to who has them: the gate shows the hub what they stand for. */
  veil: () => void;
  /** No token that was given so far is good any more, and who came in with one is sent away. */
  revoke: () => void;
  /** Whether the hub is out of reach; the token endpoint is not. */
  setOutage: (isOut: boolean) => void;
  /** Holds posts of publications, or their answers, until the promise is kept. */
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
  const guests = new Set<WebSocket>();
  /** Of each good token what the hub is shown for it. */
  const good = new Map<string, string>();
  let calls = 0;
  let user = "u";
  let isVeiled = false;
  let isOut = false;
  const held: { posts?: Promise<unknown>; answers?: Promise<unknown> } = {};
  let giving: { what: Giving; livesMs: number } = { what: "good", livesMs: 3_600_000 };

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
    if (path === "/token") return tell(request, response);
    const body = await read(request);
    // Whoever sent it is gone.
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

  const tell = (request: IncomingMessage, response: ServerResponse): void => {
    calls++;
    const headers = {
      "access-control-allow-origin": request.headers.origin ?? "*",
      "access-control-allow-credentials": "true",
      "cache-control": "no-store",
    };
    const { what, livesMs } = giving;
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
  sockets.on("connection", (guest) => {
    if (isOut) return guest.terminate();
    guests.add(guest);
    const hub = new WebSocket(`${hubUrl.replace("http", "ws")}/v1/connect`, "longhaul.v1", {
      headers: { origin: "http://127.0.0.1" },
    });
    const opened = new Promise((resolve) => hub.once("open", resolve));
    let token: string | undefined;
    guest.on("message", async (data) => {
      let frame = String(data);
      for (const [record, way] of [
        [hello, "hello"],
        [auth, "auth"],
      ] as const) {
        const found = record.exec(frame);
        if (found === null) continue;
        token = found[1];
        if (!isGood(way, token)) return guest.close(4401, "unauthorized not a token of mine");
        frame = frame.replace(token, good.get(token) ?? token);
      }
      note(token, frame);
      await opened;
      if (hub.readyState === hub.OPEN) hub.send(frame);
    });
    hub.on("message", (data) => guest.send(String(data)));
    hub.on("error", () => guest.terminate());
    hub.on("close", (code, reason) => {
      if (code >= 4_000) guest.close(code, String(reason));
      else guest.close();
    });
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
    passed: () => passed,
    give: (what, livesMs = 3_600_000) => {
      giving = { what, livesMs };
    },
    signIn: (name) => {
      user = name;
    },
    veil: () => {
      isVeiled = true;
    },
    revoke: () => {
      good.clear();
      for (const guest of guests) guest.close(4401, "unauthorized revoked");
    },
    setOutage: (isNow) => {
      isOut = isNow;
      if (isOut) for (const guest of guests) guest.terminate();
    },
    hold: (what, until) => {
      held[what] = until;
    },
    close: () => {
      for (const guest of guests) guest.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A JWT that nobody has signed. */
function tokenOf(sub: string, claims: object): string {
  return `h.${Buffer.from(JSON.stringify({ sub, ...claims })).toString("base64url")}.s`;
}

function subject(token = ""): string {
  const claims = token.split(".")[1];
  return claims === undefined ? "" : JSON.parse(String(Buffer.from(claims, "base64url"))).sub;
}

/** And no question whether it may come. */
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
