// The one class of errors, and the words for close codes that Rust, TypeScript and docs share.

import codes from "../../src/codes.json" with { type: "json" };
import type { CloseReason } from "./api.js";
import { retryMsMax } from "./boundary.js";

/** What went wrong (`message`), as a stable word (`code`), and what to do about it (`hint`). */
export class LonghaulError extends Error {
  override readonly name = "LonghaulError";
  readonly code: string;
  readonly hint?: string;

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** For an app that does not listen: the console. The error comes last, with its stack and cause. */
export function print(error: LonghaulError): void {
  const { code, message, hint } = error;
  console.error(`longhaul: ${code}: ${message}${hint === undefined ? "" : ` (${hint})`}`, error);
}

/** A close code in words. A hub's own words come after ours. */
export function closeReason(closeCode: number, detail: string): CloseReason {
  const row = codes.find((row) => row.closeCode === closeCode);
  // The last one counts, as in the core.
  const retryAfterMs = /.* retry=(\d+)/s.exec(detail)?.[1];
  const floor =
    retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(Number(retryAfterMs), retryMsMax) };
  const words = detail.replace(/(?: (?:retry|spread)=\d+)+$/, "");
  if (row === undefined) {
    return {
      code: "closed_by_peer",
      closeCode,
      message: words || `the peer closed with code ${closeCode}`,
      ...floor,
    };
  }
  const said = words.startsWith(row.code) ? words.slice(row.code.length).trim() : words;
  const message = said === "" ? row.message : `${row.message}: ${said}`;
  return { code: row.code, closeCode, message: `${message} (${row.hint})`, ...floor };
}

export function storageUnavailable(): LonghaulError {
  return new LonghaulError("storage_unavailable", "the outbox's storage can't be reached", {
    hint: 'let the server answer the log-out with Clear-Site-Data: "storage"',
  });
}
