// What a program's world promises: the sentences of README and docs/offline.md over what was called and what was heard.
//
// Notes come in while a program runs, in one order; `check` is asked at its end, when all faults are over and every
// client had time to settle. Knows nothing of how the package works.

import type { Note } from "./note.js";

/** A log of a topic, as the hub has it or had it before it lost its memory. */
export interface Log {
  epoch: string;
  firstSeq: number;
  entries: readonly unknown[];
  /** It was read before its hub ended: there may have been more. */
  isCut?: boolean;
  /** When a hub came that knew nothing of it, nor of the verdicts of the hub before. */
  lostAt?: number;
}

/** The last message of a log. */
export interface End {
  readonly epoch: string;
  readonly seq: number;
}

export interface ClientNote {
  readonly name: string;
  /** Whose storage it shares; undefined: it keeps all in memory. */
  readonly profile: string | undefined;
  isClosed: boolean;
  isPageDead: boolean;
  /** What went wrong without a promise to reject. */
  readonly errors: { code: string | null; message: string }[];
  lastState: string;
}

export interface Publication {
  readonly no: number;
  readonly client: ClientNote;
  readonly topic: string;
  readonly isDocument: boolean;
  readonly key: string | null;
  readonly ttlMs: number | null;
  readonly isAborted: boolean;
  readonly isSound: boolean;
  readonly calledAt: number;
  resolvedAt?: number;
  receipt?: { id: string; durable: boolean };
  refused?: string;
  ack?: { epoch: string; seq: number; duplicate: boolean };
  dead?: string;
  deadAt?: number;
}

type Heard = Extract<Note, { type: "message" | "gap" }>;

export interface Subscription {
  readonly client: ClientNote;
  readonly topic: string;
  readonly from: "live" | "start" | number;
  readonly heard: Heard[];
  readonly continues: Subscription | undefined;
  /** Of an iteration: so many messages were asked for. */
  readonly nexts: number | undefined;
  isOver: boolean;
}

/** What a call of another kind came to. */
export interface Promised {
  readonly what: string;
  readonly client: ClientNote;
  readonly codes: readonly string[];
  settled?: string;
}

/** Something that ends rows for good. */
interface Removal {
  readonly profile: string | undefined;
  readonly client: ClientNote | undefined;
  readonly from: number;
  to: number;
}

const never = Number.POSITIVE_INFINITY;

export class Model {
  #now = 0;
  readonly clients = new Map<string, ClientNote>();
  readonly publications = new Map<number, Publication>();
  readonly subscriptions = new Map<string, Subscription>();
  readonly promised = new Map<string, Promised>();
  readonly #wipes = new Map<string, Removal>();
  readonly #deletions: Removal[] = [];
  readonly #discarded = new Set<string>();
  readonly #retried = new Set<string>();
  /** When somebody first heard of each dead letter. */
  readonly #letters = new Map<string, number>();
  /** Profiles whose storage could not be had at some time. */
  readonly unsteady = new Set<string>();
  /** All logs of each topic; the last one is the hub's at the end. */
  readonly logs = new Map<string, Log[]>();

  /** The storage of a profile was removed. */
  removed(profile: string): void {
    this.#now += 1;
    // What was being saved at that moment may go with it.
    const removal: Removal = { profile, client: undefined, from: this.#now, to: never };
    this.#deletions.push(removal);
  }

  isRemoved(profile: string): boolean {
    return this.#deletions.some((removal) => removal.profile === profile);
  }

  /** A hub has come that knows nothing of the logs of the one before. */
  forgotten(): void {
    this.#now += 1;
    for (const logs of this.logs.values()) for (const log of logs) log.lostAt ??= this.#now;
  }

  note(note: Note): void {
    this.#now += 1;
    switch (note.type) {
      case "client":
        this.clients.set(note.client, {
          name: `client ${note.client}`,
          profile: note.profile ?? undefined,
          isClosed: false,
          isPageDead: false,
          errors: [],
          lastState: "connecting",
        });
        return;
      case "status":
        this.#client(note.client).lastState = note.state;
        return;
      case "error":
        if (!this.clients.has(note.client)) this.note({ type: "client", client: note.client, profile: null });
        this.#noteError(this.#client(note.client), note);
        return;
      case "letter":
        if (!this.#letters.has(note.id)) this.#letters.set(note.id, this.#now);
        return;
      case "closed":
        this.#client(note.client).isClosed = true;
        for (const each of this.subscriptions.values())
          if (each.client === this.#client(note.client)) each.isOver = true;
        return;
      case "published":
        this.publications.set(note.no, { ...note, client: this.#client(note.client), calledAt: this.#now });
        return;
      case "receipt":
        Object.assign(this.#publication(note.no), { receipt: note, resolvedAt: this.#now });
        return;
      case "refused":
        this.#publication(note.no).refused = note.code;
        return;
      case "acked":
        this.#publication(note.no).ack = note;
        return;
      case "dead":
        Object.assign(this.#publication(note.no), { dead: note.code, deadAt: this.#now });
        return;
      case "subscribed": {
        const continues = note.continues === null ? undefined : this.subscriptions.get(note.continues);
        const { topic, from, nexts } = note;
        const client = this.#client(note.client);
        this.subscriptions.set(note.id, { client, topic, from, heard: [], continues, nexts, isOver: false });
        return;
      }
      case "message":
      case "gap": {
        const subscription = this.subscriptions.get(note.id) as Subscription;
        if (subscription.isOver)
          subscription.client.errors.push({
            code: null,
            message: `${subscription.topic}: heard after its end`,
          });
        subscription.heard.push(note);
        return;
      }
      case "stopped":
        (this.subscriptions.get(note.id) as Subscription).isOver = true;
        return;
      case "promised":
        this.promised.set(note.id, { ...note, client: this.#client(note.client) });
        return;
      case "settled":
        (this.promised.get(note.id) as Promised).settled = note.code;
        return;
      case "wiping": {
        const client = this.#client(note.client);
        this.#wipes.set(note.id, { profile: client.profile, client, from: this.#now, to: never });
        return;
      }
      case "wiped":
        (this.#wipes.get(note.id) as Removal).to = this.#now;
        return;
      case "retried":
        this.#retried.add(note.id);
        return;
      case "discarded":
        this.#discarded.add(note.id);
        return;
    }
  }

  /** A promise that still has to settle. */
  unsettled(): string | undefined {
    for (const { client, receipt, refused, ack, dead, no } of this.publications.values()) {
      if (client.isPageDead || refused !== undefined) continue;
      if (receipt === undefined) return `publication ${no} of ${client.name} has no receipt`;
      if (ack === undefined && dead === undefined)
        return `publication ${no} of ${client.name} has no outcome`;
    }
    for (const { what, client, settled } of this.promised.values()) {
      if (!client.isPageDead && settled === undefined) return `${what} of ${client.name} has not settled`;
    }
    return undefined;
  }

  /** Whether a subscription has heard the end of its topic's log: a seq of an earlier log says nothing of it. */
  isUpTo({ client, heard, isOver, nexts, topic }: Subscription, ends: ReadonlyMap<string, End>): boolean {
    if (isOver || client.isClosed || client.isPageDead) return true;
    // An iteration hears no more than it asks for.
    if (nexts !== undefined && heard.filter(({ type }) => type === "message").length >= nexts) return true;
    const end = ends.get(topic);
    return heard.some(
      (event) => event.type === "message" && event.epoch === end?.epoch && event.seq === end.seq,
    );
  }

  /** Whether every subscription has heard the end of its log. */
  areUpToDate(): boolean {
    const ends = new Map<string, End>();
    for (const [topic, logs] of this.logs) {
      const log = logs.at(-1);
      if (log !== undefined)
        ends.set(topic, { epoch: log.epoch, seq: log.firstSeq + log.entries.length - 1 });
    }
    return [...this.subscriptions.values()].every((each) => this.isUpTo(each, ends));
  }

  /** A page is gone, with the clients in it. */
  gone(page: string): void {
    for (const [name, client] of this.clients) if (name.slice(1).startsWith(page)) client.isPageDead = true;
  }

  #client(name: string): ClientNote {
    return this.clients.get(name) as ClientNote;
  }

  #publication(no: number): Publication {
    return this.publications.get(no) as Publication;
  }

  #noteError(client: ClientNote, { code, message }: { code: string | null; message: string }): void {
    const isOver = client.isClosed || client.lastState === "closed";
    if (code !== "closed" || !isOver) client.errors.push({ code, message });
  }

  /** What is promised and did not hold. */
  check(): string[] {
    const faults: string[] = [];
    for (const client of this.clients.values()) this.#checkClient(client, faults);
    for (const { what, client, codes, settled } of this.promised.values()) {
      if (client.isPageDead) continue;
      if (settled === undefined) faults.push(`${what} of ${client.name} never settled`);
      else if (settled !== "" && !codes.includes(settled))
        faults.push(`${what} of ${client.name} refused: ${settled}`);
    }
    const places = this.#places(faults);
    for (const each of this.publications.values()) this.#checkPublication(each, places, faults);
    this.#checkOrder(places, faults);
    for (const each of this.subscriptions.values()) this.#checkSubscription(each, faults);
    return faults;
  }

  #checkClient(client: ClientNote, faults: string[]): void {
    for (const { code, message } of client.errors) {
      if (code === null) faults.push(`${client.name}: an error without code: ${message}`);
      else if (!harmlessErrors.includes(code)) faults.push(`${client.name}: ${code}: ${message}`);
    }
    if (client.lastState === "closed" && !client.isClosed) faults.push(`${client.name} closed by itself`);
  }

  /** Where each payload is: at most once in each log. */
  #places(faults: string[]): Map<number, Map<string, number>> {
    const places = new Map<number, Map<string, number>>();
    for (const [topic, logs] of this.logs) {
      for (const { epoch, firstSeq, entries } of logs) {
        entries.forEach((data, i) => {
          const no = numberOf(data);
          if (no === undefined) return;
          const of = places.get(no) ?? new Map<string, number>();
          places.set(no, of);
          if (of.has(epoch))
            faults.push(`publication ${no} is in ${topic} twice: ${of.get(epoch)} and ${firstSeq + i}`);
          of.set(epoch, firstSeq + i);
        });
      }
    }
    return places;
  }

  #checkPublication(each: Publication, places: Map<number, Map<string, number>>, faults: string[]): void {
    const { no, client, receipt, refused, ack, dead } = each;
    const where = places.get(no);
    const fault = (text: string): void => {
      faults.push(`publication ${no} of ${client.name} to ${each.topic}: ${text}`);
    };
    if (refused !== undefined) {
      if (!this.#mayReject(each, refused)) fault(`publish refused with ${refused}`);
      if (!["closed", "outcome_unknown"].includes(refused) && where !== undefined)
        fault(`publish refused with ${refused}, and it is there all the same`);
      return;
    }
    if (receipt === undefined) {
      if (!client.isPageDead) fault("publish never settled");
      return;
    }
    if (!receipt.durable && client.profile !== undefined && !this.unsteady.has(client.profile))
      fault("is not durable, and its storage was there");
    if (ack !== undefined) {
      this.#checkAck(each, fault);
      return;
    }
    if (dead !== undefined) {
      if (!this.#mayDie(each, dead)) fault(`dead: ${dead}`);
      if (dead === "expired" && this.#isAccepted(each, where) && !this.#retried.has(receipt.id))
        fault("expired, and it is there");
      if (dead !== "closed" || !receipt.durable) return;
    }
    if (dead === undefined && !client.isPageDead && !client.isClosed) {
      fault("its receipt never settled");
      return;
    }
    // Its page is gone: whoever came later has sent it.
    const mayBeBeyond = this.logs.get(each.topic)?.some(({ isCut }) => isCut) ?? false;
    const isLost = where === undefined && !each.isDocument && !mayBeBeyond;
    if (isLost && receipt.durable && !this.#mayBeGone(each))
      fault("has disappeared: durable, and not in the log");
  }

  /** Whether a log has it whose hub can have said no. The ack of an earlier hub may have been lost with that hub. */
  #isAccepted({ topic, receipt, deadAt }: Publication, where: Map<string, number> | undefined): boolean {
    const saidAt = Math.min(deadAt ?? never, this.#letters.get(receipt?.id ?? "") ?? never);
    const logs = this.logs.get(topic) ?? [];
    return logs.some(({ epoch, lostAt }) => where?.has(epoch) && (lostAt ?? never) > saidAt);
  }

  #checkAck({ no, ack, topic, key, isDocument, client }: Publication, fault: (text: string) => void): void {
    if (ack === undefined || isDocument) return;
    const log = this.logs.get(topic)?.find(({ epoch }) => epoch === ack.epoch);
    if (log === undefined) {
      fault(`acknowledged in the unknown log ${ack.epoch}`);
      return;
    }
    const found = numberOf(log.entries[ack.seq - log.firstSeq]);
    if (found === no || isBeyond(log, ack.seq)) return;
    // Another publication with its key took its place.
    const other = found === undefined ? undefined : this.publications.get(found);
    const isReplaced =
      key !== null && other?.key === key && other.client.profile === client.profile && other.no > no;
    if (!isReplaced) fault(`acknowledged as ${ack.seq}, where ${found === undefined ? "nothing" : found} is`);
  }

  /** What is published after another one was safe comes after it, where both are in one log. */
  #checkOrder(places: Map<number, Map<string, number>>, faults: string[]): void {
    const lanes = new Map<string, Publication[]>();
    for (const each of this.publications.values()) {
      const { client, receipt, key, topic } = each;
      if (receipt === undefined || key !== null || this.#retried.has(receipt.id)) continue;
      const lane = receipt.durable ? `${client.profile}` : client.name;
      const name = `${lane} ${topic}`;
      lanes.set(name, [...(lanes.get(name) ?? []), each]);
    }
    for (const [name, lane] of lanes) {
      lane.forEach((later, i) => {
        for (const earlier of lane.slice(0, i)) {
          const isBefore = (earlier.resolvedAt ?? never) < later.calledAt || earlier.client === later.client;
          if (!isBefore || this.#isRemovedBetween(earlier, later)) continue;
          for (const [epoch, seq] of places.get(earlier.no) ?? []) {
            const behind = places.get(later.no)?.get(epoch);
            if (behind !== undefined && behind < seq)
              faults.push(
                `order in ${name}: ${later.no} is before ${earlier.no}, which was safe before it was called`,
              );
          }
        }
      });
    }
  }

  /** Whether the later one went to another outbox: its storage was removed after the earlier one was called. */
  #isRemovedBetween(earlier: Publication, later: Publication): boolean {
    return this.#deletions.some(
      (deletion) =>
        deletion.from > earlier.calledAt &&
        deletion.from < (later.resolvedAt ?? never) &&
        reaches(deletion, earlier),
    );
  }

  #checkSubscription(each: Subscription, faults: string[]): void {
    const { client, topic, from, heard, continues } = each;
    const fault = (text: string): void => {
      faults.push(`${client.name} on ${topic} from ${from}: ${text}`);
    };
    let next: { epoch: string; seq: number } | undefined;
    const before = continues?.heard.findLast(({ type }) => type === "message");
    if (before?.type === "message" && from === "live") next = { epoch: before.epoch, seq: before.seq + 1 };
    for (const event of heard) {
      if (event.type === "gap") {
        if (next?.epoch === event.epoch || next === undefined)
          next = event.toSeq === null ? undefined : { epoch: event.epoch, seq: event.toSeq + 1 };
        continue;
      }
      const { epoch, seq, data } = event;
      const log = this.logs.get(topic)?.find((log) => log.epoch === epoch);
      if (log === undefined) fault(`heard ${seq} of the unknown log ${epoch}`);
      else if (
        !isBeyond(log, seq) &&
        JSON.stringify(log.entries[seq - log.firstSeq]) !== JSON.stringify(data)
      )
        fault(`heard other data as ${seq}`);
      if (next === undefined && from === "start" && log !== undefined && seq !== log.firstSeq)
        fault(`heard ${seq} first, where the log begins with ${log.firstSeq}, and no gap was told`);
      if (next !== undefined && next.epoch === epoch && seq !== next.seq)
        fault(`heard ${seq} where ${next.seq} is next, and no gap was told`);
      if (
        next !== undefined &&
        next.epoch !== epoch &&
        !heard.some((gap) => gap.type === "gap" && gap.epoch === next?.epoch)
      )
        fault(`moved from log ${next.epoch} to ${epoch}, and no gap was told`);
      next = { epoch, seq: seq + 1 };
    }
    const log = this.logs.get(topic)?.at(-1);
    if (each.isOver || client.isClosed || client.isPageDead || log === undefined) return;
    if (each.nexts !== undefined) {
      const count = heard.filter(({ type }) => type === "message").length;
      if (count < Math.min(each.nexts, log.entries.length))
        fault(`an iteration gave ${count} of ${each.nexts} messages that were asked for`);
      return;
    }
    const end = log.firstSeq + log.entries.length;
    if (next?.epoch !== log.epoch || next.seq < end)
      fault(
        `heard up to ${next === undefined ? "nothing" : `${next.epoch}/${next.seq - 1}`}, and the log ends with ${log.epoch}/${end - 1}`,
      );
  }

  #mayReject(each: Publication, code: string): boolean {
    const { client, isAborted, isSound, isDocument } = each;
    switch (code) {
      case "wiped":
        // What is published before a wipe has resolved is wiped too.
        return [...this.#wipes.values()].some((wipe) => reaches(wipe, each));
      case "closed":
        return client.isClosed;
      case "AbortError":
        return isAborted;
      case "patch_failed":
        return isDocument && !isSound;
      case "storage_full":
        return client.profile !== undefined && this.unsteady.has(client.profile);
      case "outcome_unknown":
        return this.#deletions.some((deletion) => reaches(deletion, each));
      default:
        return false;
    }
  }

  #mayDie(each: Publication, code: string): boolean {
    const { client, ttlMs, receipt, isDocument, isSound } = each;
    switch (code) {
      case "closed":
        return client.isClosed;
      case "expired":
        return ttlMs !== null;
      case "discarded":
        return receipt !== undefined && this.#discarded.has(receipt.id);
      case "wiped":
        return [...this.#wipes.values()].some((wipe) => reaches(wipe, each));
      case "outbox_lost":
      case "outcome_unknown":
        return (
          this.#deletions.some((deletion) => reaches(deletion, each)) ||
          [...this.#wipes.values()].some((wipe) => reaches(wipe, each))
        );
      case "patch_failed":
        return isDocument && !isSound;
      default:
        return false;
    }
  }

  #mayBeGone(each: Publication): boolean {
    const { receipt, ttlMs, key } = each;
    if (receipt === undefined || ttlMs !== null || key !== null) return true;
    if (this.#discarded.has(receipt.id)) return true;
    return [...this.#wipes.values(), ...this.#deletions].some((removal) => reaches(removal, each));
  }
}

/** Errors that tell of the world's faults. What should not be is not among them, least of all `client_crashed`. */
const harmlessErrors = [
  "token_unavailable",
  "token_timeout",
  "reload_required",
  "outbox_name_taken",
  "storage_unavailable",
  "document_diverged",
  "wasm_load_failed",
  "busy",
];

/** A removal ends what was called before it was over, in its storage or its client. */
function reaches({ profile, client, to }: Removal, { client: publisher, calledAt }: Publication): boolean {
  const isSame = profile !== undefined ? publisher.profile === profile : publisher === client;
  return (isSame || publisher === client) && calledAt <= to;
}

/** Where nobody has looked. */
function isBeyond({ isCut, firstSeq, entries }: Log, seq: number): boolean {
  return isCut === true && seq >= firstSeq + entries.length;
}

/** Every payload of a program carries its number. */
export function numberOf(data: unknown): number | undefined {
  const no = (data as { no?: unknown } | null | undefined)?.no;
  return typeof no === "number" ? no : undefined;
}
