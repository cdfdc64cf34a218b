// The token of the app: asks the token function, checks the token, and reads how long it is valid.

import type { Options } from "./api.js";
import { tokenReasons } from "./boundary.js";
import { isOnline } from "./browser.js";
import { probe } from "./diagnosis.js";
import { LonghaulError } from "./errors.js";

export type TokenReason = (typeof tokenReasons)[number];

/** Source: rule C9. */
const token = /^[\x21-\x7e]{1,8192}$/;

export const tokenHint = "a token is a string of 1 to 8192 visible ASCII characters, such as a JWT";

export function isToken(text: unknown): text is string {
  return typeof text === "string" && token.test(text);
}

/**
 * Gets a token from the app, and how long it is valid. Rejects with `token_unavailable`, also if
 * the hub has refused a token that is a string.
 */
export async function askToken(
  given: Options["token"],
  reason: number,
): Promise<{ text: string; livesMs?: number | undefined }> {
  if (typeof given === "string") {
    if (reason === 0) return { text: given };
    throw unavailable("the hub did not accept the token, which is a string", {
      hint: "pass a function that gets a fresh one",
    });
  }
  let text: unknown;
  // The core is in its turn, and must not run code of the app.
  await undefined;
  try {
    text = await given?.(tokenReasons[reason] ?? "rejected");
  } catch (cause) {
    throw unavailable(`the token function failed: ${String(cause)}`, { cause });
  }
  if (!isToken(text)) throw unavailable("the token function returned no token", { hint: tokenHint });
  return { text, livesMs: livesMs(text) };
}

/**
 * How long a token function may take before `token_timeout` is reported, ms. A later token still
 * counts. Chosen: a slow network and a slow log-in together.
 */
export const tokenMsMax = 30_000;

/** Calls `late` after that time. Returns a function that prevents it. */
export function onLate(late: () => void): () => void {
  const timer = setTimeout(late, tokenMsMax);
  // In Node the timer would keep the process alive.
  (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer);
}

export function tokenTimeout(): LonghaulError {
  return new LonghaulError("token_timeout", `the token function has not answered for ${tokenMsMax} ms`, {
    hint: "give its request a time limit, such as AbortSignal.timeout(10_000); client.reconnect() asks again at once",
  });
}

/** The names of the errors that fetch and time limits throw if no server was reached. */
const unreachable = ["TypeError", "NetworkError", "TimeoutError", "AbortError"];

/** Whether an error of the token function is a refusal, and not a lack of network. */
export async function isRefusal(cause: unknown, base: string): Promise<boolean> {
  if (!isOnline()) return false;
  for (let error = cause, depth = 0; error instanceof Object && depth < 4; depth++) {
    if (unreachable.includes((error as Error).name)) return false;
    error = (error as Error).cause;
  }
  // Without a network the hub does not answer either.
  return (await probe(base)) !== "none";
}

/**
 * The token that a page shares with its service worker. It is the client's own: another call of the
 * token function would exceed the promised two a minute.
 */
export class TokenSharing {
  #token: string | undefined;
  /** By this device's wall clock. */
  #endMs = 0;
  #waiting: ((token: string) => void)[] = [];

  /** The app has returned a token. */
  offer(token: string, livesMs = Number.POSITIVE_INFINITY): void {
    this.#token = token;
    this.#endMs = Date.now() + livesMs;
    for (const resolve of this.#waiting.splice(0)) resolve(token);
  }

  /** The current token, or the next one if there is none, or it was refused or has expired. */
  async share(refused: string | undefined): Promise<string> {
    const token = this.#token;
    if (token !== undefined && token !== refused && Date.now() < this.#endMs) return token;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function unavailable(message: string, options: { hint?: string; cause?: unknown }): LonghaulError {
  return new LonghaulError("token_unavailable", message, options);
}

/** The subject of a JWT; undefined if the token does not name one. */
export function subjectOf(text: unknown): string | undefined {
  const { sub } = claimsOf(text);
  return typeof sub === "string" ? sub : undefined;
}

/**
 * How long a JWT is valid from now on, by this device's wall clock; by the JWT's own two times if
 * that clock is wrong. Undefined if the token does not say.
 */
function livesMs(text: string): number | undefined {
  const { exp, iat } = claimsOf(text);
  for (const ms of [Number(exp) * 1_000 - Date.now(), (Number(exp) - Number(iat)) * 1_000]) {
    if (ms > 0) return ms;
  }
  return undefined;
}

/** The claims of a JWT, unverified, which is the hub's task. Empty for any other token. */
function claimsOf(text: unknown): Record<string, unknown> {
  try {
    const claims = String(text).split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(claims ?? ""), (byte) => byte.charCodeAt(0));
    return Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}
