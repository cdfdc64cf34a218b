// The status as users see it, from the leaves that the core tells: src/web/driver.rs.

import type { Status, TransportName } from "./api.js";
import { closeReason } from "./errors.js";

/** `ms` is how far off the attempt is, or how long ago the connection began. */
export function statusOf(
  kind: number,
  transport: TransportName,
  attempt: number,
  isExhausted: boolean,
  ms: number,
  rttMs: number | undefined,
  closeCode: number,
  detail: string,
): Status {
  switch (kind) {
    case 0:
      return { state: "connecting", attempt, transport };
    case 1: {
      const sinceMs = Date.now() - ms;
      return rttMs === undefined
        ? { state: "connected", transport, sinceMs }
        : { state: "connected", transport, sinceMs, rttMs };
    }
    case 2: {
      const reason = closeReason(closeCode, detail);
      const waiting = { state: "waiting" as const, attempt, retryAtMs: Date.now() + ms, reason };
      return isExhausted ? { ...waiting, isExhausted } : waiting;
    }
    case 3:
      return { state: "offline" };
    case 5:
      return { state: "unauthorized", reason: closeReason(closeCode, detail) };
    default:
      return { state: "closed", reason: closeReason(closeCode, detail) };
  }
}
