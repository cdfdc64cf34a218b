// Words about the connection, for people who don't know what a transport is.

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

/**
 * A line for the log. Only the loss has a full message: later attempts fail for the same reason.
 */
export function failure(status: Extract<Status, { reason: CloseReason }>): string {
  if (status.state !== "waiting") return `${words[status.state]}: ${status.reason.message}.`;
  if (status.attempt <= 1) return `Connection lost: ${status.reason.message}`;
  return `Attempt ${status.attempt - 1} failed; the next one in ${formatDuration(status.retryAtMs - Date.now())}.`;
}

/** The blocks of the user, as half a sentence; empty if there are none. */
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
        ? `${doing}. ${over}. Nothing is missing, and the client probes better transports.`
        : `${over}. Nothing is missing, and the client probes better transports by itself.`;
    }
    case "connecting":
      return status.attempt > 1
        ? `Trying ${transportWords[status.transport]}, attempt ${status.attempt}.`
        : "Opening a connection to the hub.";
    case "waiting": {
      const leftMs = status.retryAtMs - nowMs;
      const next = leftMs > 0 ? `next attempt in ${Math.ceil(leftMs / 1000)} s` : "trying now";
      if (status.isExhausted)
        return `${status.attempt - 1} attempts have failed. The client keeps trying; ${next}.`;
      return isOurs
        ? `${doing}, and the client doesn't know. It keeps trying; ${next}.`
        : `Connection lost. We keep trying; ${next}.`;
    }
    case "offline":
      return "This device is offline. We connect as soon as the network is back.";
    case "unauthorized":
      return "The hub accepts no token. Nothing is lost: the client continues after you sign in.";
    case "closed":
      return `The connection is closed: ${status.reason.message}. Reload the page to start again.`;
  }
}
