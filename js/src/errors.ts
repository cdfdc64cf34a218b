// The one class of errors, and the close codes that Rust, TypeScript and the documentation share.

import codes from "../../src/codes.json" with { type: "json" };
import type { CloseCode, CloseReason, ErrorCode } from "./api.js";
import { retryMsMax } from "./boundary.js";

export type { ErrorCode };

export class LonghaulError extends Error {
  override readonly name = "LonghaulError";
  /** The stable name of the fault. */
  readonly code: ErrorCode;
  /** What to do about it. */
  readonly hint?: string;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** The default `onError`. The error comes last, with its stack and cause. */
export function print(error: LonghaulError): void {
  const { code, message, hint } = error;
  console.error(`longhaul: ${code}: ${message}${hint === undefined ? "" : ` (${hint})`}`, error);
}

/** The reason for a close code. `detail` is the hub's text, which follows the client's. */
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
  return { code: row.code as CloseCode, closeCode, message: `${message} (${row.hint})`, ...floor };
}

/** The error for a call after `close`. */
export function closed(): LonghaulError {
  return new LonghaulError("closed", "the client is closed", { hint: "make a new client with connect()" });
}

/** The error for calls of a client on a server. */
export function notOnServer(): LonghaulError {
  return new LonghaulError("not_on_server", "this client does nothing, because this is a server", {
    hint: "call it in the browser, for example in an effect; options.runOnServer makes it work here",
  });
}

export function storageUnavailable(): LonghaulError {
  return new LonghaulError("storage_unavailable", "the outbox's storage can't be reached", {
    hint: 'let the server answer the log-out with Clear-Site-Data: "storage"',
  });
}
