// Watches an outage, from the loss of the connection until the missed messages are there.

import type { Status } from "longhaul";
import type { HubClock } from "./clock";
import { formatCount, formatDuration } from "./format";

/** The missed messages come in one burst, which ends so long after the reconnect. */
const settledMs = 800;

export interface OutageWatch {
  sawStatus(state: Status["state"]): void;
  sawMessage(publishedAtMs: number): void;
  sawGap(): void;
  draw(nowMs: number): void;
}

type Phase =
  | { at: "start" }
  | { at: "connected" }
  | { at: "lost"; lostMs: number }
  | { at: "catching-up"; lostMs: number; backMs: number; missed: number; gaps: number };

export function createOutageWatch(clock: HubClock, onRecovered: (text: string) => void): OutageWatch {
  let phase: Phase = { at: "start" };
  return {
    sawStatus(state) {
      const nowMs = Date.now();
      if (state === "connected") {
        if (phase.at === "lost")
          phase = { at: "catching-up", lostMs: phase.lostMs, backMs: nowMs, missed: 0, gaps: 0 };
        else if (phase.at === "start") phase = { at: "connected" };
      } else if (phase.at === "connected") {
        phase = { at: "lost", lostMs: nowMs };
      } else if (phase.at === "catching-up") {
        phase = { at: "lost", lostMs: phase.lostMs };
      }
    },
    sawMessage(publishedAtMs) {
      if (phase.at === "catching-up" && publishedAtMs < clock.toHubMs(phase.backMs)) phase.missed += 1;
    },
    sawGap() {
      if (phase.at === "catching-up") phase.gaps += 1;
    },
    draw(nowMs) {
      if (phase.at !== "catching-up" || nowMs - phase.backMs < settledMs) return;
      onRecovered(describe(phase.backMs - phase.lostMs, phase.missed, phase.gaps));
      phase = { at: "connected" };
    },
  };
}

function describe(downMs: number, missed: number, gaps: number): string {
  const back = `Back after ${formatDuration(downMs)}.`;
  const came =
    missed === 1
      ? "The one missed message came in"
      : `All ${formatCount(missed)} missed messages came in, in order`;
  if (gaps > 0) return `${back} The hub no longer has all that was missed; the events name what is gone.`;
  return missed === 0 ? `${back} Nothing was missed.` : `${back} ${came}.`;
}
