// The app's token endpoint (`outbox.tokenUrl`), for a service worker that gets no token from a
// page.

import { frameCharsMax } from "./boundary.js";
import { nowMs } from "./browser.js";
import { readAnswer } from "./parts.js";

/**
 * At most `callsMax` useless calls in this time, ms. Source: S56; src/connection/token.rs has the
 * same.
 */
const windowMs = 60_000;
const callsMax = 2;

/**
 * The times of the calls since the last useful token, by address. A new worker process starts with
 * none.
 */
const uselessCalls = new Map<string, readonly number[]>();

/**
 * The endpoint during one flush. All partitions share its token, which depends only on the cookies.
 */
export class Endpoint {
  readonly #url: string;
  #answer: Promise<string> | undefined;
  #token: string | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** A token other than `refused`. */
  token(refused: string | undefined): Promise<string> {
    if (this.#answer === undefined || (refused !== undefined && refused === this.#token)) {
      this.#token = undefined;
      this.#answer = this.#ask();
    }
    return this.#answer;
  }

  /** Rows were sent with its token. */
  succeeded(): void {
    if (this.#token !== undefined) uselessCalls.delete(this.#url);
  }

  async #ask(): Promise<string> {
    const url = this.#url;
    const atMs = nowMs();
    const calls = (uselessCalls.get(url) ?? []).filter((ms) => atMs - ms < windowMs);
    if (calls.length >= callsMax) throw new Error(`two calls of ${url} within a minute gave no useful token`);
    uselessCalls.set(url, [...calls, atMs]);
    const answer = await fetch(url, {
      method: "POST",
      credentials: "include",
      cache: "no-store",
      // A redirect leads to a log-in page, and cookies are for this address only.
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    const text = await readAnswer(answer, frameCharsMax);
    if (text === undefined) throw new Error(`${url} answered with more than ${frameCharsMax} bytes`);
    this.#token = text.trim();
    return this.#token;
  }
}
