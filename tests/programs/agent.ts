// The app of a page: makes the calls of a program, and tells what comes of them. Runs in a page of Node's or in a browser;
// what it tells is plain data.

import type { Client, Document, Gap, LonghaulError, Options, Receipt } from "longhaul";
import type { Note } from "./note.js";
import { type Call, documents, topics, type Who } from "./program.js";

export interface AgentOptions {
  /** Tells the clients of this page from those of others. */
  readonly page: string;
  readonly profile: string;
  readonly url: string;
  readonly poison: "continue" | "pause";
  readonly resume: boolean;
  readonly transports: Options["transports"] | undefined;
  /** Gives a token; undefined: the app has none. */
  readonly token: (() => Promise<string>) | undefined;
}

/** Calls that need a page. */
export type PageCall = Exclude<Call, { do: "reload" | "kill" | "worker" | "post" }>;

export interface Look {
  readonly name: string;
  readonly state: string;
  readonly size: number;
  /** Own changes that wait, of all documents: those that nobody follows too. */
  readonly pending: number;
  readonly documents: readonly {
    name: string;
    value: unknown;
    confirmed: unknown;
    last: unknown;
  }[];
}

interface Held {
  readonly name: string;
  readonly client: Client;
  isClosed: boolean;
  /** As many rows, and dead letters, as were there when they were read with the last event of the outbox. */
  listed: readonly [rows: number, letters: number];
  readonly running: { id: string; topic: string; from: "live" | "start" | number; stop(): void }[];
  readonly follows: { stop(): void; document: Document<unknown>; values: unknown[] }[];
}

export class Agent {
  readonly #connect: (url: string, options: Options) => Client;
  readonly #options: AgentOptions;
  readonly #tell: (note: Note) => void;
  readonly #clients = new Map<Who, Held>();
  /** An app may keep closed clients as long as it likes. */
  readonly #made: Client[] = [];
  /** Those of calls within a listener that are still to come. */
  readonly #listeners = new Set<() => void>();
  #last = 0;

  constructor(
    connect: (url: string, options: Options) => Client,
    options: AgentOptions,
    tell: (note: Note) => void,
  ) {
    this.#connect = connect;
    this.#options = options;
    this.#tell = tell;
  }

  /** Makes a call with the client of its step, which is made where there is none. `no` numbers what it publishes. */
  call(call: PageCall, no: number): void {
    let held = this.#clients.get(call.who);
    try {
      if (held === undefined || held.isClosed) {
        held = this.#make(call.who);
        this.#clients.set(call.who, held);
      }
      this.#does(held, call, no);
    } catch (error) {
      const { code, message } = error as LonghaulError;
      const client = held?.name ?? this.#options.page;
      this.#tell({
        type: "error",
        client,
        code: code ?? null,
        message: `thrown: ${message ?? String(error)}`,
      });
    }
  }

  /** Who is here. */
  get whos(): Who[] {
    return [...this.#clients].filter(([, { isClosed }]) => !isClosed).map(([who]) => who);
  }

  look(): Look[] {
    return this.#alive().map(({ name, client, follows }) => ({
      name,
      state: client.status.state,
      size: client.outbox.size,
      pending: documents.reduce((sum, name) => sum + client.document(name).pending, 0),
      documents: follows.map(({ document, values }) => ({
        name: document.name,
        value: document.value ?? null,
        confirmed: document.confirmed ?? null,
        last: values.at(-1) ?? null,
      })),
    }));
  }

  /** Calls that wait for a status are not made any more. */
  stopListening(): void {
    for (const stop of this.#listeners) stop();
    this.#listeners.clear();
  }

  /** Dead letters stop a topic where `poison` is "pause". */
  async discardLetters(): Promise<void> {
    for (const { client } of this.#alive()) {
      for (const { id } of await client.outbox.deadLetters()) await client.outbox.discard(id).catch(() => {});
    }
  }

  /** How many rows each client lists, and what a flush comes to. */
  quiet(): Promise<
    { name: string; rows: number | string; letters: number; listed: Held["listed"]; flushed: string }[]
  > {
    return Promise.all(
      this.#alive().map(async (held) => {
        const { outbox } = held.client;
        const rows = await outbox.rows().then(({ length }) => length, codeOf);
        const letters = await outbox.deadLetters().then(
          ({ length }) => length,
          () => 0,
        );
        const flushed = await outbox.flush().then(() => "", codeOf);
        return { name: held.name, rows, letters, listed: held.listed, flushed };
      }),
    );
  }

  /** Closes all and forgets them. */
  async closeAll(): Promise<void> {
    for (const held of this.#alive()) {
      held.isClosed = true;
      this.#tell({ type: "closed", client: held.name });
      await held.client.close();
    }
    this.#clients.clear();
  }

  #alive(): Held[] {
    return [...this.#clients.values()].filter(({ isClosed }) => !isClosed);
  }

  #make(who: Who): Held {
    const { page, poison, profile, resume, token, transports, url } = this.#options;
    const name = `${who}${page}${++this.#last}`;
    this.#tell({ type: "client", client: name, profile: who === 3 ? null : profile });
    const tell = this.#tell;
    const client = this.#connect(url, {
      outbox: who === 3 ? false : { poison },
      onError: ({ code, message }) => tell({ type: "error", client: name, code: code ?? null, message }),
      ...(transports === undefined ? {} : { transports }),
      ...(resume ? { resume: { key: String(who) } } : {}),
      ...(token ? { subject: profile, token } : {}),
    });
    client.on("status", (status) => {
      const code = "reason" in status ? status.reason.code : "";
      tell({ type: "status", client: name, state: status.state, code });
    });
    client.on("deadletter", ({ id, reason: { code } }) => tell({ type: "letter", client: name, id, code }));
    this.#made.push(client);
    const held: Held = { name, client, isClosed: false, listed: [0, 0], running: [], follows: [] };
    let last = 0;
    const list = async (): Promise<void> => {
      const no = ++last;
      const [rows, letters] = await Promise.all([client.outbox.rows(), client.outbox.deadLetters()]);
      if (no === last) held.listed = [rows.length, letters.length];
    };
    client.on("outbox", () => void list().catch(() => {}));
    list().catch(() => {});
    return held;
  }

  #promise(held: Held, what: string, codes: readonly string[], promise: Promise<unknown>): void {
    const id = `${held.name}/${++this.#last}`;
    this.#tell({ type: "promised", id, client: held.name, what, codes });
    promise.then(
      () => this.#tell({ type: "settled", id, code: "" }),
      (error: unknown) => this.#tell({ type: "settled", id, code: codeOf(error) }),
    );
  }

  #does(held: Held, call: PageCall, no: number): void {
    const { client, follows, name, running } = held;
    switch (call.do) {
      case "subscribe": {
        const from = call.from === "middle" ? 2 : call.from;
        this.#subscribe(held, topics[call.topic] ?? "t/0", from, call.passive, undefined);
        return;
      }
      case "unsubscribe":
        pick(running, call.which)?.stop();
        return;
      case "resubscribe": {
        const old = pick(running, call.which);
        if (old === undefined) return;
        old.stop();
        this.#subscribe(held, old.topic, old.from, false, old.from === "live" ? old.id : undefined);
        return;
      }
      case "iterate":
        this.#iterate(held, topics[call.topic] ?? "t/0", call.nexts);
        return;
      case "follow": {
        const document = client.document(documents[call.document] ?? "d/0");
        const values: unknown[] = [];
        const stop = document.subscribe((value) => void values.push(value));
        follows.push({ stop, document, values });
        return;
      }
      case "unfollow": {
        const chosen = pick(follows, call.which);
        chosen?.stop();
        if (chosen !== undefined) follows.splice(follows.indexOf(chosen), 1);
        return;
      }
      case "publish":
        for (let i = 0; i < call.count; i++) this.#publish(held, call, no + i);
        return;
      case "merge": {
        const document = client.document(documents[call.document] ?? "d/0");
        for (let i = 0; i < call.count; i++) {
          const partial =
            call.chars > 0
              ? { [`q${i}`]: "x".repeat(call.chars), no: no + i }
              : { [`p${call.place}`]: { no: no + i } };
          this.#change(held, document.name, no + i, true, () => document.merge(partial));
        }
        return;
      }
      case "patch": {
        const document = client.document(documents[call.document] ?? "d/0");
        const path = call.isSound ? "" : `/p${call.place}/no`;
        const operation = call.isSound ? ("add" as const) : ("replace" as const);
        const operations = [{ op: operation, path, value: { no } }];
        this.#change(held, document.name, no, call.isSound, () => document.patch(operations));
        return;
      }
      case "reconnect":
        client.reconnect();
        return;
      case "inListener": {
        const stop = client.on("status", ({ state }) => {
          if (call.state !== undefined && state !== call.state) return;
          stop();
          this.#listeners.delete(stop);
          if (!held.isClosed) this.#does(held, inner(call.who, call.makes), no);
        });
        this.#listeners.add(stop);
        return;
      }
      case "connect":
        return;
      case "close":
        held.isClosed = true;
        this.#tell({ type: "closed", client: name });
        this.#promise(held, "close", [], client.close());
        return;
      case "wipe": {
        const id = `${name}/${++this.#last}`;
        this.#tell({ type: "wiping", id, client: name });
        const wiped = client.outbox.wipe();
        wiped.then(
          () => this.#tell({ type: "wiped", id }),
          () => {},
        );
        this.#promise(held, "wipe", ["storage_unavailable", "closed"], wiped);
        return;
      }
      case "retry":
      case "discard":
        this.#promise(held, call.do, ["row_unknown", "closed", "storage_full"], this.#letter(client, call));
        return;
      case "flush":
        this.#promise(held, "flush", ["not_flushed", "closed"], client.outbox.flush());
        return;
      case "rows":
        this.#promise(held, "rows", ["closed"], client.outbox.rows());
        return;
      case "diagnose":
        this.#promise(held, "diagnose", [], client.diagnose());
        return;
    }
  }

  #subscribe(
    held: Held,
    topic: string,
    from: "live" | "start" | number,
    passive: boolean,
    continues: string | undefined,
  ): void {
    const id = `${held.name}/${++this.#last}`;
    const tell = this.#tell;
    tell({ type: "subscribed", id, client: held.name, topic, from, continues: continues ?? null });
    const stop = held.client
      .topic(topic)
      .subscribe(({ epoch, seq, data }) => tell({ type: "message", id, epoch, seq, data }), {
        from,
        passive,
        onGap: ({ epoch, fromSeq, toSeq, reason }) =>
          tell({ type: "gap", id, epoch, fromSeq, toSeq: Number.isFinite(toSeq) ? toSeq : null, reason }),
      });
    const { running } = held;
    const entry = {
      id,
      topic,
      from,
      stop: () => {
        stop();
        tell({ type: "stopped", id });
        running.splice(running.indexOf(entry), 1);
      },
    };
    running.push(entry);
  }

  /** Asks for some messages at once, as a consumer does that works on several. */
  #iterate(held: Held, topic: string, nexts: number): void {
    const id = `${held.name}/${++this.#last}`;
    this.#tell({ type: "subscribed", id, client: held.name, topic, from: "start", continues: null, nexts });
    const onGap = ({ epoch, fromSeq, toSeq, reason }: Gap): void =>
      this.#tell({ type: "gap", id, epoch, fromSeq, toSeq: Number.isFinite(toSeq) ? toSeq : null, reason });
    const iteration = held.client.topic(topic).messages({ from: "start", onGap })[Symbol.asyncIterator]();
    const asked = Array.from({ length: nexts }, async () => {
      const { done, value } = await iteration.next();
      if (!done) this.#tell({ type: "message", id, epoch: value.epoch, seq: value.seq, data: value.data });
    });
    void Promise.allSettled(asked).then(() => {
      this.#tell({ type: "stopped", id });
      return iteration.return?.();
    });
  }

  #publish(
    held: Held,
    { topic, chars, key, ttlMs, abort }: Extract<Call, { do: "publish" }>,
    no: number,
  ): void {
    const name = topics[topic] ?? "t/0";
    const payload = chars > 0 ? { no, pad: "x".repeat(chars) } : { no };
    const controller = new AbortController();
    const options = {
      ...(key ? { key: "k" } : {}),
      ...(ttlMs > 0 ? { ttlMs } : {}),
      ...(abort ? { signal: controller.signal } : {}),
    };
    if (abort) controller.abort();
    this.#tell({
      type: "published",
      no,
      client: held.name,
      topic: name,
      isDocument: false,
      key: key ? "k" : null,
      ttlMs: ttlMs || null,
      isAborted: abort,
      isSound: true,
    });
    this.#watch(no, held.client.topic(name).publish(payload, options));
  }

  #change(held: Held, topic: string, no: number, isSound: boolean, does: () => Promise<Receipt>): void {
    const rest = { isDocument: true, key: null, ttlMs: null, isAborted: false, isSound };
    this.#tell({ type: "published", no, client: held.name, topic, ...rest });
    this.#watch(no, does());
  }

  #watch(no: number, publishing: Promise<Receipt>): void {
    publishing.then(
      ({ id, durable, acked }) => {
        this.#tell({ type: "receipt", no, id, durable });
        acked.then(
          ({ epoch, seq, duplicate }) => this.#tell({ type: "acked", no, epoch, seq, duplicate }),
          (error: unknown) => this.#tell({ type: "dead", no, code: codeOf(error) }),
        );
      },
      (error: unknown) => this.#tell({ type: "refused", no, code: codeOf(error) }),
    );
  }

  async #letter(client: Client, call: Extract<Call, { do: "retry" | "discard" }>): Promise<void> {
    const isRow = call.do === "discard" && call.row;
    const found = pick<{ id: string }>(
      isRow ? await client.outbox.rows() : await client.outbox.deadLetters(),
      call.which,
    );
    if (found === undefined) return;
    this.#tell({ type: call.do === "retry" ? "retried" : "discarded", id: found.id });
    if (call.do === "retry") await client.outbox.retry(found.id);
    else await client.outbox.discard(found.id);
  }
}

function inner(who: Who, makes: Extract<Call, { do: "inListener" }>["makes"]): PageCall {
  if (makes === "publish")
    return { do: makes, who, topic: 0, count: 1, chars: 10, key: false, ttlMs: 0, abort: false };
  return makes === "follow" ? { do: makes, who, document: 0 } : { do: makes, who };
}

/** A LonghaulError's code, or the name of what the platform threw. */
function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: string };
  return typeof code === "string" ? code : (name ?? String(error));
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % Math.max(1, from.length)];
}
