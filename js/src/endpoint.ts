// The app's endpoint of tokens (`outbox.tokenUrl`), for a service worker that no page lends one.

import { frameCharsMax } from "./boundary.js";
import { nowMs } from "./browser.js";
import { readAnswer } from "./parts.js";

/** In so long, ms, it is asked at most so often in vain. Source: S56, as src/connection/token.rs has it for pages. */
const windowMs = 60_000;
const callsMax = 2;

/** Calls since it gave a token that was good, by address. A worker that the browser has ended begins anew. */
const inVain = new Map<string, readonly number[]>();

/** What it gives in one flush, to all partitions: it knows no partitions, only who is signed in. */
export class Endpoint {
  readonly #url: string;
  #answer: Promise<string> | undefined;
  #token: string | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** A token other than the one that was refused. */
  token(refused: string | undefined): Promise<string> {
    if (this.#answer === undefined || (refused !== undefined && refused === this.#token)) {
      this.#token = undefined;
      this.#answer = this.#ask();
    }
    return this.#answer;
  }

  /** What it gave has sent something. */
  isGood(): void {
    if (this.#token !== undefined) inVain.delete(this.#url);
  }

  async #ask(): Promise<string> {
    const url = this.#url;
    const atMs = nowMs();
    const calls = (inVain.get(url) ?? []).filter((ms) => atMs - ms < windowMs);
    if (calls.length >= callsMax) throw new Error(`${url} was asked in vain twice within a minute`);
    inVain.set(url, [...calls, atMs]);
    const answer = await fetch(url, {
      method: "POST",
      credentials: "include",
      cache: "no-store",
      // A log-in page is no token, and credentials are for this address alone.
      redirect: "error",
    });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    const text = await readAnswer(answer, frameCharsMax);
    if (text === undefined) throw new Error(`${url} answered with more than ${frameCharsMax} bytes`);
    this.#token = text.trim();
    return this.#token;
  }
}
