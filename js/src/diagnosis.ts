// What was tried, and what to do about it, in words for the person who helps.

import type { Diagnosis, Status, TransportName } from "./api.js";
import { attemptOutcomes, frameCharsMax, transportNames } from "./boundary.js";
import { isThere, listen, place, requestsMade } from "./browser.js";
import { closeReason } from "./errors.js";
import { readAnswer } from "./parts.js";

type Tried = Diagnosis["tried"][number];

/** Why polls are short: the client lives by them because nothing is urgent, or other tabs have the connections. */
export type Ease = "passive" | "crowded";

/** The core's rows of five: transport, outcome, close code, ms, detail. */
export function triedOf(rows: readonly unknown[]): Tried[] {
  const tried: Tried[] = [];
  for (let at = 0; at + 4 < rows.length; at += 5) {
    const transport = transportNames[rows[at] as number];
    const outcome = attemptOutcomes[rows[at + 1] as number];
    if (transport === undefined || outcome === undefined) continue;
    const closeCode = rows[at + 2] as number;
    tried.push({
      transport,
      outcome,
      detail: words(outcome, closeCode, rows[at + 4] as string),
      tookMs: rows[at + 3] as number,
    });
  }
  return tried;
}

function words(outcome: Tried["outcome"], closeCode: number, detail: string): string {
  if (outcome === "ok") return "the hub said welcome";
  if (outcome === "overtaken") return "another transport was first";
  return closeReason(closeCode, detail).message;
}

/** Adds what the browser has not got. */
export function withUnsupported(tried: readonly Tried[], wanted: readonly TransportName[]): Tried[] {
  const missing = wanted.filter((transport) => !isSupported(transport));
  return [
    ...missing.map((transport) => ({
      transport,
      outcome: "unsupported" as const,
      detail: "this browser does not have it",
      tookMs: 0,
    })),
    ...tried,
  ];
}

export function isSupported(transport: TransportName): boolean {
  switch (transport) {
    case "websocket":
      return isThere("WebSocket");
    case "eventsource":
      return isThere("EventSource") && isThere("fetch");
    case "longpoll":
      return isThere("fetch") && isThere("AbortController");
  }
}

/** The protocol of the last request to the hub, such as `h2`, where the browser tells. */
export function protocolOf(base: string): string | undefined {
  const protocols = requestsMade()
    .filter(({ name }) => name.startsWith(base))
    .map((entry) => (entry as PerformanceResourceTiming).nextHopProtocol);
  // An answer that does not allow its timing to be seen has an empty one.
  return protocols.filter(Boolean).at(-1);
}

/** Who answers plain HTTP at the hub's address; "unread": somebody whose answer a page of another origin may not read. */
export type Answers = "hub" | "other" | "unread" | "none";

export async function probe(base: string): Promise<Answers> {
  const ask = (mode: RequestMode): Promise<Response> =>
    fetch(`${base}.well-known/longhaul`, { mode, cache: "no-store", signal: AbortSignal.timeout(5_000) });
  try {
    const response = await ask("cors");
    const text = await readAnswer(response, frameCharsMax);
    return response.ok && text?.includes('"longhaul.v1"') ? "hub" : "other";
  } catch {
    return ask("no-cors").then(
      () => "unread" as const,
      () => "none" as const,
    );
  }
}

/** What a look at the hub's address has shown. */
export interface Found {
  answers: Answers;
  /** The schemes of the address that a policy of the page forbids. */
  forbidden: readonly string[];
  /** The page is secure, and the address is not. */
  isMixed: boolean;
  /** The address under whose scheme somebody answers, where it is the other one. */
  other?: string;
}

/** Hosts that browsers take for secure whatever the scheme. */
const thisMachine = /^(localhost|.+\.localhost|127\.[\d.]+|\[::1\])$/;

/** Looks, where the last WebSocket was blocked with another one: only that makes the browser say what it has against it. */
export async function look(base: string, tried: readonly Tried[]): Promise<Found> {
  const { host, hostname, protocol } = new URL(base);
  const isSecure = place()?.protocol === "https:";
  const isMixed = isSecure && protocol === "http:" && !thisMachine.test(hostname);
  const forbidden = new Set<string>();
  const note = (event: Event): void => {
    const { blockedURI, effectiveDirective } = event as SecurityPolicyViolationEvent;
    const [, scheme = "", blocked] = /^(\w+:)\/\/([^/]+)/.exec(blockedURI) ?? [];
    if (effectiveDirective === "connect-src" && blocked === host) forbidden.add(scheme);
  };
  // A page's events bubble up to here; a worker's are here.
  const mute = listen("securitypolicyviolation", note);
  try {
    const socket = tried.filter(({ transport }) => transport === "websocket").at(-1);
    if (socket?.outcome === "blocked") trySocket(base);
    const answers = await probe(base);
    // What is forbidden is told in a task of its own.
    await new Promise((resolve) => setTimeout(resolve));
    const found = { answers, forbidden: [...forbidden], isMixed };
    const other = otherScheme(base);
    if (answers === "hub" || forbidden.size > 0 || (isSecure && other.startsWith("http:"))) return found;
    const there = await probe(other);
    const isThere = there === "hub" || (answers === "none" && there !== "none");
    return isThere ? { ...found, other } : found;
  } finally {
    mute();
  }
}

function otherScheme(base: string): string {
  return base.startsWith("https:") ? base.replace("https:", "http:") : base.replace("http:", "https:");
}

function trySocket(base: string): void {
  try {
    new WebSocket(`${base.replace("http", "ws")}v1/connect`, "longhaul.v1").close();
  } catch {
    // It is mixed content, which is known.
  }
}

/** Hosts of this machine and of its own network. */
const localHost =
  /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|\[(::1|f[cde]))|\.local$/;

/** What else keeps a page of the internet from a hub on the local network. */
function localWords(base: string): string {
  const page = place()?.hostname ?? "localhost";
  if (localHost.test(page) || !localHost.test(new URL(base).hostname)) return "";
  return " A page from the internet may reach the local network only where it is secure (https) and the user has allowed it: look for the browser's question or the site's settings.";
}

const strangers = "a captive portal (open any page and sign in to the network), a proxy's error page";

/** What keeps the client from the hub on this side of the network, if anything does. */
function ownWords(status: Status, found: Found, base: string): string | undefined {
  const reason = "reason" in status ? status.reason : undefined;
  if (reason?.code === "wasm_load_failed") {
    return `The client's own code could not be loaded, so the hub was not asked yet: ${reason.message}. Serve the package's .wasm files where the script looks for them, or pass options.wasm. A Content-Security-Policy needs 'wasm-unsafe-eval' in script-src and their address in connect-src.`;
  }
  if (status.state === "closed") {
    return reason?.code === "done"
      ? "The client is closed, because the page called close(): connect() makes another one."
      : `The client is closed and does not try again: ${reason?.message}. client.reconnect() tries once more after a hub's word; after a crash only connect() helps.`;
  }
  const isOpen = status.state === "connected" && status.transport === "websocket";
  if (found.forbidden.length > 0 && !isOpen) {
    const { host } = new URL(base);
    const urls = found.forbidden.map((scheme) => `${scheme}//${host}`).join(" and ");
    return `The page's Content-Security-Policy forbids ${urls}: add both the http(s) and the ws(s) address of the hub to its connect-src.`;
  }
  if (found.isMixed && status.state !== "connected") {
    return `The page is secure (https) and the hub's address is not (${base}), so the browser lets no request through: serve the hub over https, and connect to that.`;
  }
  return undefined;
}

export function advise(
  status: Status,
  tried: readonly Tried[],
  found: Found,
  base: string,
  wanted: readonly TransportName[],
  ease: Ease | undefined,
): string {
  const best = wanted[0];
  const { answers, other } = found;
  const own = ownWords(status, found, base);
  if (own !== undefined) return own;
  if (status.state === "connected" && status.repeatAtMs !== undefined) {
    return `Connected over ${status.transport}, but what the hub answers makes the client ask again and again: metrics().repeats counts. Look at the hub's log and limits, and at proxies that change or repeat answers.`;
  }
  if (status.state === "connected" && status.transport === "longpoll" && ease === "passive") {
    return "All is well: every subscription is passive, so short polls are enough. A subscription without `passive` moves the client to a better transport.";
  }
  const crowded =
    status.state === "connected" && status.transport === "longpoll" && ease === "crowded"
      ? "Other tabs have the connections that this browser grants to the hub over HTTP/1.1, so polls are short; serve the hub over HTTP/2, or close tabs. "
      : "";
  if (status.state === "connected" && status.transport === best) {
    return crowded.trim() || "All is well: nothing to do.";
  }
  if (
    status.state === "unauthorized" ||
    (status.state === "waiting" && status.reason.code === "token_unavailable" && answers !== "none")
  ) {
    return `No token that the hub accepts: ${status.reason.message}. Sign in again, then client.reconnect(). If that does not help, look at what the token endpoint answers, at the clock of whoever makes the tokens, and at the hub's key.`;
  }
  const last = (transport: TransportName): Tried | undefined =>
    tried.filter((each) => each.transport === transport && each.outcome !== "overtaken").at(-1);
  if (status.state === "connected") {
    const why = best && last(best);
    const found = why ? `${best} was ${why.outcome}: ${why.detail}.` : `${best} has not got through yet.`;
    return `Connected over ${status.transport}. ${crowded}${found} A proxy or firewall on this network probably does not let ${best} pass; ask its administrator to allow WebSocket upgrades and unbuffered responses to the hub. The client looks for a better way by itself.`;
  }
  if (other !== undefined) {
    return `Nothing that the client understands answers at ${base}, but something does at ${other}: the hub's address has the wrong scheme.`;
  }
  if (answers === "hub") {
    return "The hub answers plain requests, but no transport gets through: look at what was tried. A proxy between may cut long requests and upgrades.";
  }
  if (answers === "other") {
    return `Something answers at the hub's address, but it is no hub: ${strangers}, or a wrong address.`;
  }
  if (answers === "unread") {
    return `Something answers at the hub's address, but not to this page: ${strangers}, or a hub that does not allow the page's origin.`;
  }
  return `Nothing answers at the hub's address: check the network of this device, the address, and that the hub runs.${localWords(base)}`;
}
