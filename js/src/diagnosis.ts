// What was tried, and what to do about it, in words for the person who helps.

import type { Diagnosis, Status, TransportName } from "./api.js";
import { closeReason } from "./errors.js";

type Tried = Diagnosis["tried"][number];

/** Why polls are short: the client lives by them because nothing is urgent, or other tabs have the connections. */
export type Ease = "passive" | "crowded";

/** By the core's numbers. */
export const transportNames: readonly TransportName[] = ["websocket", "eventsource", "longpoll"];

const outcomes = [
  "ok",
  "blocked",
  "opened-then-closed",
  "silent",
  "buffered",
  "refused",
  "overtaken",
] as const;

/** The core's rows of five: transport, outcome, close code, ms, detail. */
export function triedOf(rows: readonly unknown[]): Tried[] {
  const tried: Tried[] = [];
  for (let at = 0; at + 4 < rows.length; at += 5) {
    const transport = transportNames[rows[at] as number];
    const outcome = outcomes[rows[at + 1] as number];
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
      return typeof WebSocket === "function";
    case "eventsource":
      return typeof EventSource === "function" && typeof fetch === "function";
    case "longpoll":
      return typeof fetch === "function" && typeof AbortController === "function";
  }
}

/** The protocol of the last request to the hub, such as `h2`, where the browser tells. */
export function protocolOf(base: string): string | undefined {
  const entries = globalThis.performance?.getEntriesByType?.("resource") ?? [];
  const last = entries.filter(({ name }) => name.startsWith(base)).at(-1);
  return (last as PerformanceResourceTiming | undefined)?.nextHopProtocol || undefined;
}

/** Whether something at the hub's address answers plain HTTP, and whether it is a hub. */
export async function probe(base: string): Promise<"hub" | "other" | "none"> {
  try {
    const response = await fetch(`${base}.well-known/longhaul`, {
      cache: "no-store",
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    return response.ok && text.includes('"longhaul.v1"') ? "hub" : "other";
  } catch {
    return "none";
  }
}

export function advise(
  status: Status,
  tried: readonly Tried[],
  answers: "hub" | "other" | "none",
  wanted: readonly TransportName[],
  ease: Ease | undefined,
): string {
  const best = wanted[0];
  if (status.state === "connected" && status.transport === "longpoll" && ease === "passive") {
    return "All is well: every subscription is passive, so short polls are enough. A subscription without `passive` moves the client to a better transport.";
  }
  if (status.state === "connected" && status.transport === best) return "All is well: nothing to do.";
  if (
    status.state === "unauthorized" ||
    (status.state === "waiting" && status.reason.code === "token_unavailable")
  ) {
    return `No token that the hub accepts: ${status.reason.message}. Sign in again, then client.reconnect(). If that does not help, look at what the token endpoint answers, at the clock of whoever makes the tokens, and at the hub's key.`;
  }
  const last = (transport: TransportName): Tried | undefined =>
    tried.filter((each) => each.transport === transport && each.outcome !== "overtaken").at(-1);
  if (status.state === "connected") {
    const why = best && last(best);
    const found = why ? `${best} was ${why.outcome}: ${why.detail}.` : `${best} has not got through yet.`;
    const crowded =
      status.transport === "longpoll" && ease === "crowded"
        ? "Other tabs have the connections that this browser grants to the hub over HTTP/1.1, so polls are short; serve the hub over HTTP/2, or close tabs. "
        : "";
    return `Connected over ${status.transport}. ${crowded}${found} A proxy or firewall on this network probably does not let ${best} pass; ask its administrator to allow WebSocket upgrades and unbuffered responses to the hub. The client looks for a better way by itself.`;
  }
  if (answers === "hub") {
    return "The hub answers plain requests, but no transport gets through: look at what was tried. A proxy between may cut long requests and upgrades.";
  }
  if (answers === "other") {
    return "Something answers at the hub's address, but it is no hub: a captive portal (open any page and sign in to the network), a proxy's error page, or a wrong address.";
  }
  return "Nothing answers at the hub's address: check the network of this device, the address, and that the hub runs. A page of another origin needs the hub to allow that origin.";
}
