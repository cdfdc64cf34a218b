// The model of a program's world: what the pages called and received, and the hub's logs. Notes
// come in while a program runs, in one order. `promises.ts` judges them at its end.

import type { Note } from "./note.js";

/** A log of a topic, as the hub has it or had it before it lost its memory. */
export interface Log {
  epoch: string;
  firstSeq: number;
  entries: readonly unknown[];
  /** Whether it was read before its hub ended: it may have had more entries. */
  isCut?: boolean;
  /** The moment of the next hub, which knew neither this log nor the verdicts of its own hub. */
  lostAt?: number;
}

/** The last message of a log. */
export interface End {
  readonly epoch: string;
  readonly seq: number;
}

export interface ClientNote {
  readonly name: string;
  /** The profile whose storage it shares; undefined: it keeps all in memory. */
  readonly profile: string | undefined;
  isClosed: boolean;
  isPageDead: boolean;
  /** Errors that no promise rejected with. */
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
  /** The code with which `publish` rejected. */
  rejected?: string;
  ack?: { epoch: string; seq: number; duplicate: boolean };
  /** The code with which `acked` rejected, and when. */
  dead?: string;
  deadAt?: number;
}

type Received = Extract<Note, { type: "message" | "gap" }>;

export interface Subscription {
  readonly client: ClientNote;
  readonly topic: string;
  readonly from: "live" | "start" | number;
  readonly received: Received[];
  readonly continues: Subscription | undefined;
  /** Of an iteration: how many messages the app asked for. */
  readonly nexts: number | undefined;
  isOver: boolean;
}

/** A call of another kind, and how its promise settled. */
export interface Promised {
  readonly what: string;
  readonly client: ClientNote;
  readonly codes: readonly string[];
  settled?: string;
}

/** A wipe, or storage that was removed. Either ends rows for good. */
export interface Removal {
  readonly profile: string | undefined;
  readonly client: ClientNote | undefined;
  readonly from: number;
  to: number;
}

export const never = Number.POSITIVE_INFINITY;

export class Model {
  #now = 0;
  readonly clients = new Map<string, ClientNote>();
  readonly publications = new Map<number, Publication>();
  readonly subscriptions = new Map<string, Subscription>();
  readonly promised = new Map<string, Promised>();
  readonly wipes = new Map<string, Removal>();
  /** Removals of a profile's storage. */
  readonly deletions: Removal[] = [];
  /** Ids of rows and dead letters that the app discarded. */
  readonly discarded = new Set<string>();
  readonly retried = new Set<string>();
  /** When the first client reported each dead letter. */
  readonly deadLetters = new Map<string, number>();
  /** Profiles whose storage failed at some time. */
  readonly unsteady = new Set<string>();
  /** All logs of each topic; the last one is the hub's at the end. */
  readonly logs = new Map<string, Log[]>();

  /** The storage of a profile was removed. */
  removed(profile: string): void {
    this.#now += 1;
    // The removal may also take what a page was saving at that moment.
    this.deletions.push({ profile, client: undefined, from: this.#now, to: never });
  }

  isRemoved(profile: string): boolean {
    return this.deletions.some((removal) => removal.profile === profile);
  }

  /** A new hub runs that does not know the logs of the last one. */
  forgotten(): void {
    this.#now += 1;
    for (const logs of this.logs.values()) for (const log of logs) log.lostAt ??= this.#now;
  }

  /** A page is gone, with the clients in it. */
  gone(page: string): void {
    for (const [name, client] of this.clients) if (name.slice(1).startsWith(page)) client.isPageDead = true;
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
      case "deadletter":
        if (!this.deadLetters.has(note.id)) this.deadLetters.set(note.id, this.#now);
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
      case "rejected":
        this.#publication(note.no).rejected = note.code;
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
        const entry = { client, topic, from, received: [], continues, nexts, isOver: false };
        this.subscriptions.set(note.id, entry);
        return;
      }
      case "message":
      case "gap": {
        const { client, isOver, received, topic } = this.#subscription(note.id);
        if (isOver) client.errors.push({ code: null, message: `${topic}: an event after its end` });
        received.push(note);
        return;
      }
      case "stopped":
        this.#subscription(note.id).isOver = true;
        return;
      case "promised":
        this.promised.set(note.id, { ...note, client: this.#client(note.client) });
        return;
      case "settled":
        (this.promised.get(note.id) as Promised).settled = note.code;
        return;
      case "wiping": {
        const client = this.#client(note.client);
        this.wipes.set(note.id, { profile: client.profile, client, from: this.#now, to: never });
        return;
      }
      case "wiped":
        (this.wipes.get(note.id) as Removal).to = this.#now;
        return;
      case "retried":
        this.retried.add(note.id);
        return;
      case "discarded":
        this.discarded.add(note.id);
        return;
    }
  }

  #noteError(client: ClientNote, { code, message }: { code: string | null; message: string }): void {
    const isOver = client.isClosed || client.lastState === "closed";
    if (code !== "closed" || !isOver) client.errors.push({ code, message });
  }

  /** A promise that still has to settle. */
  unsettled(): string | undefined {
    for (const { client, receipt, rejected, ack, dead, no } of this.publications.values()) {
      if (client.isPageDead || rejected !== undefined) continue;
      if (receipt === undefined) return `publication ${no} of ${client.name} has no receipt`;
      if (ack === undefined && dead === undefined)
        return `publication ${no} of ${client.name} has no outcome`;
    }
    for (const { what, client, settled } of this.promised.values()) {
      if (!client.isPageDead && settled === undefined) return `${what} of ${client.name} has not settled`;
    }
    return undefined;
  }

  /**
   * Whether a subscription has received the last message of its topic's log. Seqs of earlier logs
   * say nothing about that.
   */
  isUpTo({ client, received, isOver, nexts, topic }: Subscription, ends: ReadonlyMap<string, End>): boolean {
    if (isOver || client.isClosed || client.isPageDead) return true;
    // An iteration receives no more than the app asks for.
    if (nexts !== undefined && messagesIn(received) >= nexts) return true;
    const end = ends.get(topic);
    return received.some(
      (event) => event.type === "message" && event.epoch === end?.epoch && event.seq === end.seq,
    );
  }

  /** Whether every subscription has received the end of its log. */
  areUpToDate(): boolean {
    const ends = new Map<string, End>();
    for (const [topic, logs] of this.logs) {
      const log = logs.at(-1);
      if (log !== undefined)
        ends.set(topic, { epoch: log.epoch, seq: log.firstSeq + log.entries.length - 1 });
    }
    return [...this.subscriptions.values()].every((each) => this.isUpTo(each, ends));
  }

  #client(name: string): ClientNote {
    return this.clients.get(name) as ClientNote;
  }

  #publication(no: number): Publication {
    return this.publications.get(no) as Publication;
  }

  #subscription(id: string): Subscription {
    return this.subscriptions.get(id) as Subscription;
  }
}

/** How many of these events are messages. */
export function messagesIn(events: readonly Received[]): number {
  return events.filter(({ type }) => type === "message").length;
}
