// The app in a page: it makes the calls of a program and notes their results as plain data. It runs
// in a simulated page in Node and in a real browser.

import type { Client, Document, Gap, LonghaulError, Message, Options, Receipt } from "longhaul";
import type { Note } from "./note.js";
import { type Call, type ClientNo, documents, topics } from "./program.js";

export interface AgentOptions {
  /** A prefix that tells this page's clients from those of other pages. */
  readonly page: string;
  readonly profile: string;
  readonly url: string;
  readonly deadLetterPolicy: "continue" | "pause";
  readonly resume: boolean;
  readonly transports: Options["transports"] | undefined;
  /** The app's token function; undefined: it has none. */
  readonly token: (() => Promise<string>) | undefined;
}

/** A call that a page makes. */
export type PageCall = Exclude<Call, { do: "reload" | "kill" | "worker" | "post" }>;

export interface ClientView {
  readonly name: string;
  readonly state: string;
  readonly size: number;
  /** The pending changes of all documents, followed or not. */
  readonly pending: number;
  readonly documents: readonly {
    name: string;
    value: unknown;
    confirmed: unknown;
    last: unknown;
  }[];
}

interface AppClient {
  readonly name: string;
  readonly client: Client;
  isClosed: boolean;
  /** How many rows and dead letters the app read at the outbox's last event. */
  listed: readonly [rows: number, deadLetters: number];
  readonly subscriptions: { id: string; topic: string; from: "live" | "start" | number; stop(): void }[];
  readonly follows: { stop(): void; document: Document<unknown>; values: unknown[] }[];
}

export class Agent {
  readonly #connect: (url: string, options: Options) => Client;
  readonly #options: AgentOptions;
  readonly #note: (note: Note) => void;
  readonly #clients = new Map<ClientNo, AppClient>();
  /** All clients, because an app may keep closed ones as long as it likes. */
  readonly #made: Client[] = [];
  /** Stops the listeners whose calls are still to come. */
  readonly #listeners = new Set<() => void>();
  #last = 0;

  constructor(
    connect: (url: string, options: Options) => Client,
    options: AgentOptions,
    note: (note: Note) => void,
  ) {
    this.#connect = connect;
    this.#options = options;
    this.#note = note;
  }

  /**
   * Makes a call with the client of its step, and connects that client first where it is not open.
   * `no` numbers the first publication of the call.
   */
  call(call: PageCall, no: number): void {
    let app = this.#clients.get(call.client);
    try {
      if (app === undefined || app.isClosed) {
        app = this.#make(call.client);
        this.#clients.set(call.client, app);
      }
      this.#run(app, call, no);
    } catch (error) {
      const { code, message } = error as LonghaulError;
      const client = app?.name ?? this.#options.page;
      this.#note({
        type: "error",
        client,
        code: code ?? null,
        message: `thrown: ${message ?? String(error)}`,
      });
    }
  }

  /** ClientNo is here. */
  get openClients(): ClientNo[] {
    return [...this.#clients].filter(([, { isClosed }]) => !isClosed).map(([no]) => no);
  }

  views(): ClientView[] {
    return this.#open().map(({ name, client, follows }) => ({
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

  /** Drops the calls that still wait for a status. */
  stopListening(): void {
    for (const stop of this.#listeners) stop();
    this.#listeners.clear();
  }

  /** Discards all dead letters: they pause their topic where `deadLetterPolicy` is "pause". */
  async discardDeadLetters(): Promise<void> {
    for (const { client } of this.#open()) {
      for (const { id } of await client.outbox.deadLetters()) await client.outbox.discard(id).catch(() => {});
    }
  }

  /** How many rows and dead letters each client lists, and how a flush settles. */
  outboxCounts(): Promise<
    {
      name: string;
      rows: number | string;
      deadLetters: number;
      listed: AppClient["listed"];
      flushed: string;
    }[]
  > {
    return Promise.all(
      this.#open().map(async (app) => {
        const { outbox } = app.client;
        const rows = await outbox.rows().then(({ length }) => length, codeOf);
        const deadLetters = await outbox.deadLetters().then(
          ({ length }) => length,
          () => 0,
        );
        const flushed = await outbox.flush().then(() => "", codeOf);
        return { name: app.name, rows, deadLetters, listed: app.listed, flushed };
      }),
    );
  }

  /** Closes all clients and forgets them. */
  async closeAll(): Promise<void> {
    for (const app of this.#open()) {
      app.isClosed = true;
      this.#note({ type: "closed", client: app.name });
      await app.client.close();
    }
    this.#clients.clear();
  }

  #open(): AppClient[] {
    return [...this.#clients.values()].filter(({ isClosed }) => !isClosed);
  }

  #make(no: ClientNo): AppClient {
    const { page, deadLetterPolicy, profile, resume, token, transports, url } = this.#options;
    const name = `${no}${page}${++this.#last}`;
    this.#note({ type: "client", client: name, profile: no === 3 ? null : profile });
    const note = this.#note;
    const client = this.#connect(url, {
      outbox: no === 3 ? false : { deadLetterPolicy },
      onError: ({ code, message }) => note({ type: "error", client: name, code: code ?? null, message }),
      ...(transports === undefined ? {} : { transports }),
      ...(resume ? { resume: { key: String(no) } } : {}),
      ...(token ? { subject: profile, token } : {}),
    });
    client.on("status", (status) => {
      const code = "reason" in status ? status.reason.code : "";
      note({ type: "status", client: name, state: status.state, code });
    });
    client.on("deadletter", ({ id, reason: { code } }) =>
      note({ type: "deadletter", client: name, id, code }),
    );
    this.#made.push(client);
    const app: AppClient = { name, client, isClosed: false, listed: [0, 0], subscriptions: [], follows: [] };
    let last = 0;
    const list = async (): Promise<void> => {
      const no = ++last;
      const [rows, deadLetters] = await Promise.all([client.outbox.rows(), client.outbox.deadLetters()]);
      if (no === last) app.listed = [rows.length, deadLetters.length];
    };
    client.on("outbox", () => void list().catch(() => {}));
    list().catch(() => {});
    return app;
  }

  #promise(app: AppClient, what: string, codes: readonly string[], promise: Promise<unknown>): void {
    const id = `${app.name}/${++this.#last}`;
    this.#note({ type: "promised", id, client: app.name, what, codes });
    promise.then(
      () => this.#note({ type: "settled", id, code: "" }),
      (error: unknown) => this.#note({ type: "settled", id, code: codeOf(error) }),
    );
  }

  #run(app: AppClient, call: PageCall, no: number): void {
    const { client, follows, name, subscriptions } = app;
    switch (call.do) {
      case "subscribe": {
        const from = call.from === "middle" ? 2 : call.from;
        this.#subscribe(app, topics[call.topic] ?? "t/0", from, call.passive, undefined);
        return;
      }
      case "unsubscribe":
        pick(subscriptions, call.which)?.stop();
        return;
      case "resubscribe": {
        const old = pick(subscriptions, call.which);
        if (old === undefined) return;
        old.stop();
        this.#subscribe(app, old.topic, old.from, false, old.from === "live" ? old.id : undefined);
        return;
      }
      case "iterate":
        this.#iterate(app, topics[call.topic] ?? "t/0", call.nexts);
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
        for (let i = 0; i < call.count; i++) this.#publish(app, call, no + i);
        return;
      case "merge": {
        const document = client.document(documents[call.document] ?? "d/0");
        for (let i = 0; i < call.count; i++) {
          const partial =
            call.chars > 0
              ? { [`q${i}`]: "x".repeat(call.chars), no: no + i }
              : { [`p${call.member}`]: { no: no + i } };
          this.#change(app, document.name, no + i, true, () => document.merge(partial));
        }
        return;
      }
      case "patch": {
        const document = client.document(documents[call.document] ?? "d/0");
        const path = call.isSound ? "" : `/p${call.member}/no`;
        const operation = call.isSound ? ("add" as const) : ("replace" as const);
        const operations = [{ op: operation, path, value: { no } }];
        this.#change(app, document.name, no, call.isSound, () => document.patch(operations));
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
          if (!app.isClosed) this.#run(app, inner(call.client, call.makes), no);
        });
        this.#listeners.add(stop);
        return;
      }
      case "connect":
        return;
      case "close":
        app.isClosed = true;
        this.#note({ type: "closed", client: name });
        this.#promise(app, "close", [], client.close());
        return;
      case "wipe": {
        const id = `${name}/${++this.#last}`;
        this.#note({ type: "wiping", id, client: name });
        const wiped = client.outbox.wipe();
        wiped.then(
          () => this.#note({ type: "wiped", id }),
          () => {},
        );
        this.#promise(app, "wipe", ["storage_unavailable", "closed"], wiped);
        return;
      }
      case "retry":
      case "discard":
        this.#promise(
          app,
          call.do,
          ["row_unknown", "closed", "storage_full"],
          this.#deadLetter(client, call),
        );
        return;
      case "flush":
        this.#promise(app, "flush", ["not_flushed", "closed"], client.outbox.flush());
        return;
      case "rows":
        this.#promise(app, "rows", ["closed"], client.outbox.rows());
        return;
      case "diagnose":
        this.#promise(app, "diagnose", [], client.diagnose());
        return;
    }
  }

  #subscribe(
    app: AppClient,
    topic: string,
    from: "live" | "start" | number,
    passive: boolean,
    continues: string | undefined,
  ): void {
    const id = `${app.name}/${++this.#last}`;
    this.#note({ type: "subscribed", id, client: app.name, topic, from, continues: continues ?? null });
    const stop = app.client.topic(topic).subscribe((message) => this.#noteMessage(id, message), {
      from,
      passive,
      onGap: (gap) => this.#noteGap(id, gap),
    });
    const { subscriptions } = app;
    const entry = {
      id,
      topic,
      from,
      stop: () => {
        stop();
        this.#note({ type: "stopped", id });
        subscriptions.splice(subscriptions.indexOf(entry), 1);
      },
    };
    subscriptions.push(entry);
  }

  #noteMessage(id: string, { epoch, seq, data }: Message<unknown>): void {
    this.#note({ type: "message", id, epoch, seq, data });
  }

  #noteGap(id: string, { epoch, fromSeq, toSeq, reason }: Gap): void {
    const known = Number.isFinite(toSeq) ? toSeq : null;
    this.#note({ type: "gap", id, epoch, fromSeq, toSeq: known, reason });
  }

  /** Asks for several messages at once, as a consumer does that works on them in parallel. */
  #iterate(app: AppClient, topic: string, nexts: number): void {
    const id = `${app.name}/${++this.#last}`;
    this.#note({ type: "subscribed", id, client: app.name, topic, from: "start", continues: null, nexts });
    const messages = app.client
      .topic(topic)
      .messages({ from: "start", onGap: (gap) => this.#noteGap(id, gap) });
    const iteration = messages[Symbol.asyncIterator]();
    const asked = Array.from({ length: nexts }, async () => {
      const { done, value } = await iteration.next();
      if (!done) this.#noteMessage(id, value);
    });
    void Promise.allSettled(asked).then(() => {
      this.#note({ type: "stopped", id });
      return iteration.return?.();
    });
  }

  #publish(
    app: AppClient,
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
    this.#note({
      type: "published",
      no,
      client: app.name,
      topic: name,
      isDocument: false,
      key: key ? "k" : null,
      ttlMs: ttlMs || null,
      isAborted: abort,
      isSound: true,
    });
    this.#watch(no, app.client.topic(name).publish(payload, options));
  }

  #change(app: AppClient, topic: string, no: number, isSound: boolean, change: () => Promise<Receipt>): void {
    const rest = { isDocument: true, key: null, ttlMs: null, isAborted: false, isSound };
    this.#note({ type: "published", no, client: app.name, topic, ...rest });
    this.#watch(no, change());
  }

  #watch(no: number, publishing: Promise<Receipt>): void {
    publishing.then(
      ({ id, durable, acked }) => {
        this.#note({ type: "receipt", no, id, durable });
        acked.then(
          ({ epoch, seq, duplicate }) => this.#note({ type: "acked", no, epoch, seq, duplicate }),
          (error: unknown) => this.#note({ type: "dead", no, code: codeOf(error) }),
        );
      },
      (error: unknown) => this.#note({ type: "rejected", no, code: codeOf(error) }),
    );
  }

  async #deadLetter(client: Client, call: Extract<Call, { do: "retry" | "discard" }>): Promise<void> {
    const isRow = call.do === "discard" && call.row;
    const found = pick<{ id: string }>(
      isRow ? await client.outbox.rows() : await client.outbox.deadLetters(),
      call.which,
    );
    if (found === undefined) return;
    this.#note({ type: call.do === "retry" ? "retried" : "discarded", id: found.id });
    if (call.do === "retry") await client.outbox.retry(found.id);
    else await client.outbox.discard(found.id);
  }
}

/** The first client that has not settled, and why. */
export function firstUnsettled(views: readonly Omit<ClientView, "documents">[]): string | undefined {
  for (const { name, state, size, pending } of views) {
    if (state !== "connected") return `${name} is ${state}`;
    if (size !== 0) return `${name} has outbox.size ${size}`;
    if (pending !== 0) return `${name} has ${pending} changes pending`;
  }
  return undefined;
}

function inner(client: ClientNo, makes: Extract<Call, { do: "inListener" }>["makes"]): PageCall {
  if (makes === "publish")
    return { do: makes, client, topic: 0, count: 1, chars: 10, key: false, ttlMs: 0, abort: false };
  return makes === "follow" ? { do: makes, client, document: 0 } : { do: makes, client };
}

/** A LonghaulError's code, or the name of an error of the platform. */
function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: string };
  return typeof code === "string" ? code : (name ?? String(error));
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % Math.max(1, from.length)];
}
