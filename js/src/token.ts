// The user's token, or their function that gives one: asked, checked, and how long it is good.

import type { Options } from "./api.js";
import { tokenReasons } from "./boundary.js";
import { isOnline } from "./browser.js";
import { probe } from "./diagnosis.js";
import { LonghaulError } from "./errors.js";

/** As rule C9 has it. */
const token = /^[\x21-\x7e]{1,8192}$/;

export const tokenHint = "a token is a string of 1 to 8192 visible ASCII characters, such as a JWT";

export function isToken(text: unknown): text is string {
  return typeof text === "string" && token.test(text);
}

/** Rejects with a LonghaulError `token_unavailable`. A string that was refused has no successor. */
export async function askToken(
  given: Options["token"],
  reason: number,
): Promise<{ text: string; livesMs?: number | undefined }> {
  if (typeof given === "string") {
    if (reason === 0) return { text: given };
    throw unavailable("the token is a string, and the hub did not accept it", {
      hint: "pass a function that gets a fresh one",
    });
  }
  let text: unknown;
  // The function is the user's, and the core is in its turn.
  await undefined;
  try {
    text = await given?.(tokenReasons[reason] ?? "rejected");
  } catch (cause) {
    throw unavailable(`the token function failed: ${String(cause)}`, { cause });
  }
  if (!isToken(text)) throw unavailable("the token function gave no token", { hint: tokenHint });
  return { text, livesMs: livesMs(text) };
}

/** How long a token function may take, ms; what it gives later is used all the same. Chosen: a slow line and a slow login together. */
export const tokenMsMax = 30_000;

/** Gives how to stop waiting. */
export function onLate(late: () => void): () => void {
  const timer = setTimeout(late, tokenMsMax);
  // In Node it would keep the process alive.
  (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer);
}

export function tokenTimeout(): LonghaulError {
  return new LonghaulError("token_timeout", `the token function has not answered for ${tokenMsMax} ms`, {
    hint: "give its request a time limit, such as AbortSignal.timeout(10_000); client.reconnect() asks again at once",
  });
}

/** What fetch and time limits throw where nobody was reached. */
const cutOff = ["TypeError", "NetworkError", "TimeoutError", "AbortError"];

/** Whether a token function that failed with this has refused, and not just had no network to ask over: then the hub is out of reach, too. */
export async function isRefusal(cause: unknown, base: string): Promise<boolean> {
  if (!isOnline()) return false;
  for (let error = cause, depth = 0; error instanceof Object && depth < 4; depth++) {
    if (cutOff.includes((error as Error).name)) return false;
    error = (error as Error).cause;
  }
  return (await probe(base)) !== "none";
}

/** What a page lends its service worker: its own client's token. The app is not asked for another, or two calls a minute were not the most. */
export class Loan {
  #token: string | undefined;
  #endMs = 0;
  #wanted: ((token: string) => void)[] = [];

  /** The app has given it. */
  offer(token: string, livesMs = Number.POSITIVE_INFINITY): void {
    this.#token = token;
    this.#endMs = Date.now() + livesMs;
    for (const give of this.#wanted.splice(0)) give(token);
  }

  /** The next one, where there is none, or one that was refused or is over. */
  async lend(refused: string | undefined): Promise<string> {
    const token = this.#token;
    if (token !== undefined && token !== refused && Date.now() < this.#endMs) return token;
    return new Promise((give) => this.#wanted.push(give));
  }
}

function unavailable(message: string, options: { hint?: string; cause?: unknown }): LonghaulError {
  return new LonghaulError("token_unavailable", message, options);
}

/** Whose a JWT is. Undefined where nobody knows. */
export function subjectOf(text: unknown): string | undefined {
  const { sub } = claimsOf(text);
  return typeof sub === "string" ? sub : undefined;
}

/** How long a JWT is good from now, by our clock; by its own two times where that is off. Undefined where nobody knows. */
function livesMs(text: string): number | undefined {
  const { exp, iat } = claimsOf(text);
  for (const ms of [Number(exp) * 1_000 - Date.now(), (Number(exp) - Number(iat)) * 1_000]) {
    if (ms > 0) return ms;
  }
  return undefined;
}

/** What a JWT says, unverified: that is the hub's to do. Empty where it is none. */
function claimsOf(text: unknown): Record<string, unknown> {
  try {
    const claims = String(text).split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(claims ?? ""), (byte) => byte.charCodeAt(0));
    return Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}
