// The messages between the clients of one durable outbox, and the election of their leader. Both
// only save work: storage has the truth, and the hub drops duplicates (rule H8).

import { listen, nowMs, openChannel, page, withLock } from "./browser.js";
import { randomName } from "./random.js";

/** A tab message: its kind, the producer whose rows it is about, and values that the core takes. */
export type TabMessage =
  | readonly ["added", producer: string, last: number, rows: number, bytes: number]
  /** Five numbers for each row: row, attempts, bytes, seq, and 1 for a duplicate. */
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
  /** Storage has recorded the end of a row. */
  | readonly ["outcomeStored", producer: string, row: number]
  /** The user has discarded a row. */
  | readonly ["cancelled", producer: string, row: number]
  | readonly ["renamed", producer: string, name: string]
  /** A tab has retried or discarded a dead letter. */
  | readonly ["deadLetterTaken", producer: string, row: number]
  /**
   * A tab begins to wipe, or has wiped the rows up to `last` and everything published before
   * `atMs`. It holds for every producer.
   */
  | readonly ["wiped", isBeginning?: boolean | undefined, last?: number, atMs?: number]
  /** A worker wants a token. Only pages have one from their app. */
  | readonly ["tokenWanted", call: string, refused: string | undefined]
  | readonly ["token", call: string, token: string];

/**
 * The types of the elements after a message's kind, by their initials; `r` is a list of rows. Later
 * versions may add elements.
 */
const shapes = new Map<unknown, RegExp>([
  ["added", /^snnn/],
  ["acked", /^ssr/],
  ["dead", /^snnnss/],
  ["outcomeStored", /^sn/],
  ["cancelled", /^sn/],
  ["renamed", /^ss/],
  ["deadLetterTaken", /^sn/],
  ["wiped", /^(b|u?$|unn)/],
  ["tokenWanted", /^s([su]|$)/],
  ["token", /^ss/],
]);

/**
 * A client replaces a leader that has been silent for so long, ms. Source: browsers may stop the
 * timers of a hidden tab for a minute.
 */
const silenceMsMax = 60_000;

/**
 * Rows that are saved within this time after a message share the next one, ms. Chosen: no user
 * notices a number that is so late. The first row is reported at once.
 */
const gatherMs = 20;

/** How long open tabs have to send a token, ms. Chosen: a log-in endpoint takes less. */
const tokenMsMax = 5_000;

/** A client of the durable outbox. */
export interface Member {
  receive(message: TabMessage): void;
  /** Makes this client the leader, or ends that. Called outside of a turn of the core. */
  lead(isLeader: boolean): void;
  /** Whether rows wait for the leader. */
  isWaiting(): boolean;
  /** The page was in the back-forward cache, and may have missed messages. */
  returned(): void;
}

export class Tabs {
  readonly #name: string;
  readonly #member: Member;
  #channel: BroadcastChannel | undefined;
  #messages: TabMessage[] = [];
  /** Whether the messages go out at the end of this turn. */
  #isDue = false;
  /** Or a little later. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #postedMs = 0;
  /** Calls that wait for a token, by name. */
  readonly #tokenCalls = new Map<string, (token: string) => void>();
  /** Ends the candidature. */
  #candidature: AbortController | undefined;
  #isLeader = false;
  /** When the last message came. */
  #heardMs = 0;
  readonly #mute: readonly (() => void)[];

  constructor(name: string, member: Member) {
    this.#name = `longhaul:outbox:${name}`;
    this.#member = member;
    this.#open();
    // An open channel keeps a page out of the back-forward cache.
    this.#mute = [listen("pagehide", () => this.#shut()), listen("pageshow", () => this.#reopen())];
  }

  /** Sends a message to the other clients, together with the others of the same turn. */
  send(message: TabMessage): void {
    this.#gather(message);
    if (this.#isDue) return;
    // The timers of a hidden page may stop for a minute.
    const canWait = message[0] === "added" && page()?.visibilityState === "visible";
    const delayMs = canWait ? this.#postedMs + gatherMs - nowMs() : 0;
    if (delayMs > 0) {
      this.#timer ??= setTimeout(() => this.#post(), delayMs);
      return;
    }
    this.#isDue = true;
    queueMicrotask(() => this.#post());
  }

  /** Makes this client a candidate. */
  seekLeadership(): void {
    this.resignLeadership();
    const candidature = new AbortController();
    const { signal } = candidature;
    this.#candidature = candidature;
    this.#heardMs = Date.now();
    this.#requestLock(signal);
    const watch = setInterval(() => {
      const isSilent = Date.now() - this.#heardMs >= silenceMsMax;
      if (this.#isLeader || !isSilent || !this.#member.isWaiting()) return;
      this.#heardMs = Date.now();
      this.#requestLock(signal, { steal: true });
    }, silenceMsMax / 4);
    signal.addEventListener("abort", () => clearInterval(watch));
  }

  resignLeadership(): void {
    this.#candidature?.abort();
    this.#candidature = undefined;
    this.#isLeader = false;
  }

  /**
   * Asks the other tabs for a token other than `refused`. Resolves with undefined if none answers
   * in time.
   */
  async requestToken(refused: string | undefined): Promise<string | undefined> {
    const call = randomName();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#tokenCalls.delete(call) && resolve(undefined), tokenMsMax);
      this.#tokenCalls.set(call, (token) => {
        clearTimeout(timer);
        this.#tokenCalls.delete(call);
        resolve(token);
      });
      this.send(["tokenWanted", call, refused]);
    });
  }

  close(): void {
    this.resignLeadership();
    for (const mute of this.#mute) mute();
    // After the last messages.
    queueMicrotask(() => this.#shut());
  }

  /**
   * Requests the leader's lock. `steal` takes it from a leader that may be frozen, and so can't
   * send.
   */
  #requestLock(signal: AbortSignal, steal?: { steal: true }): void {
    const held = withLock(this.#name, steal ?? { signal }, () => {
      if (signal.aborted) return Promise.resolve();
      this.#setLeader(true, signal);
      return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    });
    held.catch(() => {
      if (signal.aborted) return;
      if (this.#isLeader) {
        // Another client has stolen the lock: wait for it again.
        this.#setLeader(false, signal);
        this.#requestLock(signal);
      } else if (steal === undefined) {
        // Without locks every client sends, and the hub drops duplicates.
        this.#setLeader(true, signal);
      }
    });
  }

  #setLeader(isLeader: boolean, signal: AbortSignal): void {
    if (signal.aborted || this.#isLeader === isLeader) return;
    this.#isLeader = isLeader;
    this.#member.lead(isLeader);
  }

  /** Merges a message into the last one if both report the same: each message has a fixed cost. */
  #gather(message: TabMessage): void {
    const last = this.#messages.at(-1);
    if (message[0] === "added" && last?.[0] === "added" && message[1] === last[1]) {
      const [, producer, no, rows, bytes] = message;
      const merged = ["added", producer, Math.max(no, last[2]), rows + last[3], bytes + last[4]] as const;
      this.#messages[this.#messages.length - 1] = merged;
    } else if (
      message[0] === "acked" &&
      last?.[0] === "acked" &&
      message[1] === last[1] &&
      message[2] === last[2]
    ) {
      last[3].push(...message[3]);
    } else this.#messages.push(message);
  }

  #post(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
    if (this.#messages.length === 0) return;
    this.#channel?.postMessage(this.#messages);
    this.#messages = [];
    this.#postedMs = nowMs();
  }

  #open(): void {
    this.#channel ??= openChannel(this.#name);
    if (this.#channel !== undefined)
      this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
        this.#heardMs = Date.now();
        // The core would crash on a message that it can't read.
        for (const message of Array.isArray(data) ? data.filter(isTabMessage) : []) {
          if (message[0] === "token") this.#tokenCalls.get(message[1])?.(message[2]);
          else this.#member.receive(message);
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

/** Whether this version knows the message: a tab of another version may send anything. */
function isTabMessage(value: unknown): value is TabMessage {
  if (!Array.isArray(value)) return false;
  const [kind, ...elements] = value;
  return shapes.get(kind)?.test(elements.map(typeInitial).join("")) === true;
}

function typeInitial(element: unknown): string | undefined {
  if (!Array.isArray(element)) return (typeof element)[0];
  return element.length % 5 === 0 && element.every((number) => typeof number === "number") ? "r" : "-";
}
