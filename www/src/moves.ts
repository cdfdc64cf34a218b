// Watches moves between transports: the direction, the reason, and whether messages were missed.

import type { Client, Status, TransportName } from "longhaul";
import { formatDuration } from "./format";
import { isBetter, listTransports, transports, transportWords } from "./transports";

/** Gaps come with the answers to the subscriptions, which follow the welcome. */
const settledMs = 800;

export interface MoveWatch {
  sawStatus(status: Status): void;
  draw(nowMs: number): void;
}

export interface MoveEvents {
  /** `code` is the stable name of the fault that ended the connection before, if there was one. */
  onMoved(text: string, code: string | undefined): void;
  onBack(text: string): void;
}

/** A time on worse transports than one that worked before. */
interface Away {
  from: TransportName;
  sinceMs: number;
  /** How long there was no connection at all, ms. */
  withoutMs: number;
  over: Set<TransportName>;
  gaps: number;
}

export function createMoveWatch(client: Client, events: MoveEvents): MoveWatch {
  let on: TransportName | undefined;
  let lost: { atMs: number; code: string | undefined } | undefined;
  let away: Away | undefined;
  let returned: { away: Away; to: TransportName; atMs: number } | undefined;

  const moved = (from: TransportName, to: TransportName, nowMs: number): void => {
    if (away !== undefined && !isBetter(away.from, to)) {
      returned = { away, to, atMs: nowMs };
      away = undefined;
      return;
    }
    const isFall = isBetter(from, to);
    if (isFall) {
      const sinceMs = lost?.atMs ?? nowMs;
      away ??= { from, sinceMs, withoutMs: 0, over: new Set(), gaps: client.metrics().gaps };
    }
    away?.over.add(to);
    const why = isFall ? "the connection was lost, and this one opened first" : "a better transport works";
    events.onMoved(`Moved from ${transportWords[from]} to ${transportWords[to]}: ${why}.`, lost?.code);
  };

  return {
    sawStatus(status) {
      const nowMs = Date.now();
      if (status.state !== "connected") {
        lost ??= { atMs: nowMs, code: "reason" in status ? status.reason.code : undefined };
        return;
      }
      const { transport } = status;
      if (on !== undefined && on !== transport) moved(on, transport, nowMs);
      if (away !== undefined && lost !== undefined) away.withoutMs += nowMs - lost.atMs;
      on = transport;
      lost = undefined;
    },
    draw(nowMs) {
      if (returned === undefined || nowMs - returned.atMs < settledMs) return;
      const { away, to, atMs } = returned;
      returned = undefined;
      const over = listTransports(transports.filter((transport) => away.over.has(transport)));
      const isWhole = client.metrics().gaps === away.gaps;
      const missed = isWhole ? "nothing missed" : "and the events name the gaps";
      const onOthers = `${formatDuration(atMs - away.sinceMs - away.withoutMs)} on ${over}`;
      const times =
        away.withoutMs < 1_000
          ? onOthers
          : `${formatDuration(away.withoutMs)} without a connection and ${onOthers}`;
      events.onBack(`Back on ${transportWords[to]} after ${times}, ${missed}.`);
    },
  };
}
