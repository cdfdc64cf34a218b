// Explains the client's choice of transport, and advises the person who helps the user.

import type { Diagnosis, Status, TransportName } from "./api.js";
import { attemptOutcomes, frameCharsMax, transportNames } from "./boundary.js";
import { isThere, listen, pageLocation, requestsMade } from "./browser.js";
import { closeReason } from "./errors.js";
import { readAnswer } from "./parts.js";

type Tried = Diagnosis["tried"][number];

/** Why polls are short: every subscription is passive, or other tabs have the slots. */
export type PollReason = "passive" | "crowded";

/**
 * Reads the core's list of attempts, five elements each: transport, outcome, close code, ms,
 * detail.
 */
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
  if (outcome === "ok") return "the hub sent its welcome";
  if (outcome === "superseded") return "another transport won the race";
  return closeReason(closeCode, detail).message;
}

/** Adds the transports that the browser lacks. */
export function withUnsupported(tried: readonly Tried[], wanted: readonly TransportName[]): Tried[] {
  const missing = wanted.filter((transport) => !isSupported(transport));
  return [
    ...missing.map((transport) => ({
      transport,
      outcome: "unsupported" as const,
      detail: "this browser lacks it",
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

/** The protocol of the last request to the hub, such as `h2`, if the browser reports it. */
export function protocolOf(base: string): string | undefined {
  const protocols = requestsMade()
    .filter(({ name }) => name.startsWith(base))
    .map((entry) => (entry as PerformanceResourceTiming).nextHopProtocol);
  // An answer without Timing-Allow-Origin has an empty one.
  return protocols.filter(Boolean).at(-1);
}

/**
 * What answers plain HTTP requests at an address; `unread` if the page may not read the answer,
 * because it has another origin.
 */
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

/** The results of `inspect`. */
export interface Findings {
  answers: Answers;
  /** The schemes of the address that a policy of the page forbids. */
  forbidden: readonly string[];
  /** Whether the page is secure and the address is not. */
  isMixed: boolean;
  /** The same address with the other scheme, if only that answers. */
  other?: string;
}

/** Hosts that browsers treat as secure with any scheme. */
const thisMachine = /^(localhost|.+\.localhost|127\.[\d.]+|\[::1\])$/;

/**
 * Inspects the hub's address. If the last WebSocket was blocked, it opens another one, because only
 * then does the browser report the policy that forbids it.
 */
export async function inspect(base: string, tried: readonly Tried[]): Promise<Findings> {
  const { host, hostname, protocol } = new URL(base);
  const isSecure = pageLocation()?.protocol === "https:";
  const isMixed = isSecure && protocol === "http:" && !thisMachine.test(hostname);
  const forbidden = new Set<string>();
  const note = (event: Event): void => {
    const { blockedURI, effectiveDirective } = event as SecurityPolicyViolationEvent;
    const [, scheme = "", blocked] = /^(\w+:)\/\/([^/]+)/.exec(blockedURI) ?? [];
    if (effectiveDirective === "connect-src" && blocked === host) forbidden.add(scheme);
  };
  // The events of a page bubble up to the global object; those of a worker occur there.
  const mute = listen("securitypolicyviolation", note);
  try {
    const socket = tried.filter(({ transport }) => transport === "websocket").at(-1);
    if (socket?.outcome === "blocked") trySocket(base);
    const answers = await probe(base);
    // The browser reports a violation in a later task.
    await new Promise((resolve) => setTimeout(resolve));
    const findings = { answers, forbidden: [...forbidden], isMixed };
    const other = otherScheme(base);
    if (answers === "hub" || forbidden.size > 0 || (isSecure && other.startsWith("http:"))) return findings;
    const otherAnswers = await probe(other);
    const isOther = otherAnswers === "hub" || (answers === "none" && otherAnswers !== "none");
    return isOther ? { ...findings, other } : findings;
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
    // The browser refuses mixed content, which `isMixed` reports.
  }
}

/** Hosts of this device and of its local network. */
const localHost =
  /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|\[(::1|f[cde]))|\.local$/;

/** Advice for a page of the internet whose hub is on the local network. */
function localWords(base: string): string {
  const page = pageLocation()?.hostname ?? "localhost";
  if (localHost.test(page) || !localHost.test(new URL(base).hostname)) return "";
  return " A page from the internet may reach the local network only if it is secure (https) and the user has allowed it: check the browser's question or the site's settings.";
}

const strangers = "a captive portal (open any page and sign in to the network), a proxy's error page";

/** Advice about a fault on this side of the network, if there is one. */
function localFault({ status, findings, base }: Situation): string | undefined {
  const reason = "reason" in status ? status.reason : undefined;
  if (reason?.code === "wasm_load_failed") {
    return `The client's own code could not be loaded, so it has not connected yet: ${reason.message}. Serve the package's .wasm files beside the script, or pass options.wasm. A Content-Security-Policy needs 'wasm-unsafe-eval' in script-src and their address in connect-src.`;
  }
  if (status.state === "closed") {
    return reason?.code === "done"
      ? "The client is closed, because the page called close(): connect() makes a new one."
      : `The client is closed and does not try again: ${reason?.message}. If the hub closed it, client.reconnect() tries once more; after a crash only connect() helps.`;
  }
  const isOpen = status.state === "connected" && status.transport === "websocket";
  if (findings.forbidden.length > 0 && !isOpen) {
    const { host } = new URL(base);
    const urls = findings.forbidden.map((scheme) => `${scheme}//${host}`).join(" and ");
    return `The page's Content-Security-Policy forbids ${urls}: add both the http(s) and the ws(s) address of the hub to its connect-src.`;
  }
  if (findings.isMixed && status.state !== "connected") {
    return `The page is secure (https) and the hub's address is not (${base}), so the browser blocks every request: serve the hub over https, and connect to that.`;
  }
  return undefined;
}

/** What the advice depends on. */
export interface Situation {
  readonly status: Status;
  readonly tried: readonly Tried[];
  readonly findings: Findings;
  readonly base: string;
  /** The wanted transports that the browser has, in order of preference. */
  readonly supported: readonly TransportName[];
  readonly pollReason: PollReason | undefined;
}

export function advise(situation: Situation): string {
  const { status, tried, findings, base, supported, pollReason } = situation;
  const [best] = supported;
  const { answers, other } = findings;
  const own = localFault(situation);
  if (own !== undefined) return own;
  if (status.state === "connected" && status.repeatAtMs !== undefined) {
    return `Connected over ${status.transport}, but the hub's answers make the client repeat requests: metrics().repeats counts them. Check the hub's log and limits, and proxies that change or repeat answers.`;
  }
  if (status.state === "connected" && status.transport === "longpoll" && pollReason === "passive") {
    return "All is well: every subscription is passive, so the client uses short polls. A subscription without `passive` moves it to a better transport.";
  }
  const crowded =
    status.state === "connected" && status.transport === "longpoll" && pollReason === "crowded"
      ? "Other tabs occupy the connections that this browser allows to the hub over HTTP/1.1, so polls are short; serve the hub over HTTP/2, or close tabs. "
      : "";
  if (status.state === "connected" && status.transport === best) {
    return crowded.trim() || "All is well: nothing to do.";
  }
  if (
    status.state === "unauthorized" ||
    (status.state === "waiting" && status.reason.code === "token_unavailable" && answers !== "none")
  ) {
    return `The hub accepts no token: ${status.reason.message}. Sign in again, then call client.reconnect(). If that does not help, check the answer of the token endpoint, the clock of the server that makes the tokens, and the hub's key.`;
  }
  const last = (transport: TransportName): Tried | undefined =>
    tried.filter((each) => each.transport === transport && each.outcome !== "superseded").at(-1);
  if (status.state === "connected") {
    const why = best && last(best);
    const outcome = why ? `${best} was ${why.outcome}: ${why.detail}.` : `${best} has not worked yet.`;
    return `Connected over ${status.transport}. ${crowded}${outcome} A proxy or firewall on this network probably blocks ${best}; ask its administrator to allow WebSocket upgrades and unbuffered responses to the hub. The client probes better transports by itself.`;
  }
  if (other !== undefined) {
    return `No hub answers at ${base}, but a server answers at ${other}: the hub's address has the wrong scheme.`;
  }
  if (answers === "hub") {
    return "The hub answers plain requests, but no transport works: check the attempts. A proxy on the way may cut long requests and upgrades.";
  }
  if (answers === "other") {
    return `A server answers at the hub's address, but it is no hub: ${strangers}, or a wrong address.`;
  }
  if (answers === "unread") {
    return `A server answers at the hub's address, but not to this page: ${strangers}, or a hub that does not allow the page's origin.`;
  }
  return `Nothing answers at the hub's address: check the network of this device, the address, and that the hub runs.${localWords(base)}`;
}
