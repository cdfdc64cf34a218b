// What the tabs and workers of one outbox tell each other, and which of them sends. Both only save work: storage has the
// truth, and the hub has the last word (rule H8).

import { listen, nowMs, openChannel, page, withLock } from "./browser.js";
import { randomName } from "./random.js";

/** A notice: its kind, then whose rows it is about, numbers and texts as the core takes them. */
export type Notice =
  | readonly ["added", producer: string, last: number, rows: number, bytes: number]
  /** Row, attempts, bytes, seq, and 1 for a duplicate, of one row after the other. */
  | readonly ["acked", producer: string, epoch: string, rows: number[]]
  | readonly [
      "dead",
      producer: string,
      row: number,
      attempts: number,
      bytes: number,
      code: string,
      message: string,
    ]
  | readonly ["noted", producer: string, row: number]
  | readonly ["givenUp", producer: string, row: number]
  | readonly ["renamed", producer: string, name: string]
  | readonly ["taken", producer: string, letter: number]
  /** Whosever. They are about to be removed where it `isBeginning`, else they were: up to the row `last`, and what was published before. */
  | readonly ["wiped", isBeginning?: boolean | undefined, last?: number, atMs?: number]
  /** Only pages have the app's token. */
  | readonly ["tokenWanted", call: string, refused: string | undefined]
  | readonly ["token", call: string, token: string];

/** The types of what follows a notice's kind, by their first letters; `r` is a list of rows. A later version may add places. */
const shapes = new Map<unknown, RegExp>([
  ["added", /^snnn/],
  ["acked", /^ssr/],
  ["dead", /^snnnss/],
  ["noted", /^sn/],
  ["givenUp", /^sn/],
  ["renamed", /^ss/],
  ["taken", /^sn/],
  ["wiped", /^(b|u?$|unn)/],
  ["tokenWanted", /^s([su]|$)/],
  ["token", /^ss/],
]);

/** Whoever waits for a sender that is not heard of for so long sends itself. Source: browser facts; a hidden tab's timers rest a minute. */
const silenceMsMax = 60_000;

/** Rows that are saved one after the other are told of together, ms. Chosen: nobody sees a number that is so late; the first is told at once. */
const gatherMs = 20;

/** How long open tabs have to give a token, ms. Chosen: a login endpoint answers in less, and a worker's event lasts minutes. */
const tokenMsMax = 5_000;

export interface Member {
  told(notice: Notice): void;
  /** Whether this one sends. Called outside of a turn of the core. */
  sends(isSender: boolean): void;
  /** Whether rows wait that somebody else is to send. */
  isWaiting(): boolean;
  /** The page was in the back-forward cache: what the others told meanwhile was not heard. */
  returned(): void;
}

export class Tabs {
  readonly #name: string;
  readonly #member: Member;
  #channel: BroadcastChannel | undefined;
  #notices: Notice[] = [];
  /** They are told of at the end of this turn, or a little later. */
  #isDue = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #toldMs = 0;
  readonly #borrowed = new Map<string, (token: string) => void>();
  #wish: AbortController | undefined;
  #isSender = false;
  #heardMs = 0;
  readonly #mute: readonly (() => void)[];

  constructor(name: string, member: Member) {
    this.#name = `longhaul:outbox:${name}`;
    this.#member = member;
    this.#open();
    // An open channel keeps a page out of the back-forward cache.
    this.#mute = [listen("pagehide", () => this.#shut()), listen("pageshow", () => this.#reopen())];
  }

  /** Tells the others; what is told in one turn goes together. */
  tell(notice: Notice): void {
    this.#gather(notice);
    if (this.#isDue) return;
    // Timers of a hidden page may rest for a minute.
    const canWait = notice[0] === "added" && page()?.visibilityState === "visible";
    const restMs = canWait ? this.#toldMs + gatherMs - nowMs() : 0;
    if (restMs > 0) {
      this.#timer ??= setTimeout(() => this.#post(), restMs);
      return;
    }
    this.#isDue = true;
    queueMicrotask(() => this.#post());
  }

  /** This one wants to send, or no longer. */
  seek(isWanted: boolean): void {
    this.#wish?.abort();
    this.#wish = undefined;
    this.#isSender = false;
    if (!isWanted) return;
    const wish = new AbortController();
    this.#wish = wish;
    this.#heardMs = Date.now();
    this.#request(wish.signal, false);
    const watch = setInterval(() => {
      const isSilent = Date.now() - this.#heardMs >= silenceMsMax;
      if (this.#isSender || !isSilent || !this.#member.isWaiting()) return;
      this.#heardMs = Date.now();
      this.#request(wish.signal, true);
    }, silenceMsMax / 4);
    wish.signal.addEventListener("abort", () => clearInterval(watch));
  }

  /** Asks the other tabs for a token, other than one that was refused. Resolves with undefined where none gives one in time. */
  async borrow(refused: string | undefined): Promise<string | undefined> {
    const call = randomName();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#borrowed.delete(call) && resolve(undefined), tokenMsMax);
      this.#borrowed.set(call, (token) => {
        clearTimeout(timer);
        this.#borrowed.delete(call);
        resolve(token);
      });
      this.tell(["tokenWanted", call, refused]);
    });
  }

  close(): void {
    this.seek(false);
    for (const mute of this.#mute) mute();
    // The last notices are on their way.
    queueMicrotask(() => this.#shut());
  }

  /** `mustSteal` takes it from a holder that may be frozen: that one learns of it, and a frozen one can't send. */
  #request(signal: AbortSignal, mustSteal: boolean): void {
    const options = mustSteal ? { steal: true } : { signal };
    const held = withLock(this.#name, options, () => {
      if (signal.aborted) return Promise.resolve();
      this.#say(true, signal);
      return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    });
    held.catch(() => {
      if (signal.aborted) return;
      // Stolen: get in line again. Missing or forbidden: everybody sends, and the hub drops what comes twice.
      if (this.#isSender) {
        this.#say(false, signal);
        this.#request(signal, false);
      } else if (!mustSteal) this.#say(true, signal);
    });
  }

  #say(isSender: boolean, signal: AbortSignal): void {
    if (signal.aborted || this.#isSender === isSender) return;
    this.#isSender = isSender;
    this.#member.sends(isSender);
  }

  /** What is like the last one becomes a part of it: most of what a notice costs is its being one. */
  #gather(notice: Notice): void {
    const last = this.#notices.at(-1);
    if (notice[0] === "added" && last?.[0] === "added" && notice[1] === last[1]) {
      const [, producer, no, rows, bytes] = notice;
      const merged = ["added", producer, Math.max(no, last[2]), rows + last[3], bytes + last[4]] as const;
      this.#notices[this.#notices.length - 1] = merged;
    } else if (
      notice[0] === "acked" &&
      last?.[0] === "acked" &&
      notice[1] === last[1] &&
      notice[2] === last[2]
    ) {
      last[3].push(...notice[3]);
    } else this.#notices.push(notice);
  }

  #post(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
    if (this.#notices.length === 0) return;
    this.#channel?.postMessage(this.#notices);
    this.#notices = [];
    this.#toldMs = nowMs();
  }

  #open(): void {
    this.#channel ??= openChannel(this.#name);
    if (this.#channel !== undefined)
      this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
        this.#heardMs = Date.now();
        // What the core can't read would be its crash.
        for (const notice of Array.isArray(data) ? data.filter(isNotice) : []) {
          if (notice[0] === "token") this.#borrowed.get(notice[1])?.(notice[2]);
          else this.#member.told(notice);
        }
      };
  }

  #reopen(): void {
    if (this.#channel !== undefined) return;
    this.#open();
    this.#member.returned();
  }

  #shut(): void {
    this.#post();
    this.#channel?.close();
    this.#channel = undefined;
  }
}

/** Whether it is one that this version knows: a tab of another version may tell anything. */
function isNotice(value: unknown): value is Notice {
  if (!Array.isArray(value)) return false;
  const [kind, ...places] = value;
  return shapes.get(kind)?.test(places.map(letterOf).join("")) === true;
}

function letterOf(place: unknown): string | undefined {
  if (!Array.isArray(place)) return (typeof place)[0];
  return place.length % 5 === 0 && place.every((number) => typeof number === "number") ? "r" : "-";
}
