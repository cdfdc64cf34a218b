// The words for what the connection is doing, for people who don't know what a transport is.

import type { CloseReason, Status } from "longhaul";
import { formatAge, formatDuration } from "./format";
import type { Line } from "./line";
import { listTransports, transports, transportWords } from "./transports";

const words: Record<Status["state"], string> = {
  connecting: "Connecting",
  connected: "Connected",
  waiting: "Waiting",
  offline: "Offline",
  unauthorized: "Not signed in",
  closed: "Closed",
};

export function stateWord(status: Status): string {
  return status.state === "waiting" && status.isExhausted ? "Still trying" : words[status.state];
}

/** A line for the log. Only the loss itself is told in full: the attempts after it fail for the same reason. */
export function failure(status: Extract<Status, { reason: CloseReason }>): string {
  if (status.state !== "waiting") return `${words[status.state]}: ${status.reason.message}.`;
  if (status.attempt <= 1) return `Connection lost: ${status.reason.message}`;
  return `Attempt ${status.attempt - 1} failed; the next one in ${formatDuration(status.retryAtMs - Date.now())}.`;
}

/** What the reader of the page has stopped, as half a sentence; empty where all goes through. */
export function stopped(line: Line): string {
  if (line.isCut) return "the line is cut";
  return line.blocked.length === 0 ? "" : `${listTransports(line.blocked)} blocked`;
}

export function sentence(status: Status, line: Line, nowMs: number): string {
  const doing = line.isCut ? "You cut the line" : `You block ${listTransports(line.blocked)}`;
  const isOurs = line.isCut || line.blocked.length > 0;
  switch (status.state) {
    case "connected": {
      const age = formatAge(nowMs - status.sinceMs);
      const [best] = transports;
      if (status.transport === best)
        return `Connected for ${age}. The host's figures come in ten times a second.`;
      const over = `On ${transportWords[status.transport]} for ${age}`;
      return isOurs
        ? `${doing}. ${over}, with everything there; the client looks for a better way.`
        : `${over}, with everything there. The client looks for a better way by itself.`;
    }
    case "connecting":
      return status.attempt > 1
        ? `Trying ${transportWords[status.transport]}, attempt ${status.attempt}.`
        : "Opening a connection to the hub.";
    case "waiting": {
      const leftMs = status.retryAtMs - nowMs;
      const next = leftMs > 0 ? `next attempt in ${Math.ceil(leftMs / 1000)} s` : "trying now";
      if (status.isExhausted)
        return `${status.attempt - 1} attempts have failed. It goes on trying all the same; ${next}.`;
      return isOurs
        ? `${doing}, and the client doesn't know. It keeps trying; ${next}.`
        : `Connection lost. We keep trying; ${next}.`;
    }
    case "offline":
      return "This device is offline. We connect as soon as the network is back.";
    case "unauthorized":
      return "No token that the hub accepts. Nothing is lost; the client goes on after signing in.";
    case "closed":
      return `The connection is closed: ${status.reason.message}. Reload the page to start again.`;
  }
}
