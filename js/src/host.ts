// What the core asks of JavaScript: src/web/host.rs is the other side. What it says of messages is in incoming.ts.
//
// Nothing here runs a listener of the user: what they are to hear is noted, and told when the core's turn is over.

import type { Options, Status } from "./api.js";
import {
  answerBytesMax,
  frameCharsMax,
  kindMessage,
  statusConnected,
  statusConnecting,
  statusOffline,
  statusUnauthorized,
  statusWaiting,
  transportNames,
} from "./boundary.js";
import type { Owner } from "./engine.js";
import { closeReason, LonghaulError } from "./errors.js";
import { Incoming } from "./incoming.js";
import { remember } from "./memory.js";
import type { Outgoing } from "./outgoing.js";
import { readAnswer } from "./parts.js";
import type { Place } from "./place.js";
import type { Publications } from "./publications.js";
import type { Partition, StoredRow } from "./rows.js";
import type { Storage } from "./storage.js";
import type { Notice } from "./tabs.js";
import { askToken, isRefusal, type Loan, onLate, subjectOf, tokenTimeout } from "./token.js";
import type { Turns } from "./turns.js";

/** What a host does its work with. */
export interface HostRoom {
  readonly base: string;
  readonly token: Options["token"];
  readonly owner: Owner;
  readonly outgoing: Outgoing;
  readonly publications: Publications;
  readonly storage: Storage;
  readonly place: Place;
  readonly loan: Loan;
}

/** What the tabs are told in a notice of this kind. */
type Told<Kind> =
  Extract<Notice, readonly [Kind, ...unknown[]]> extends readonly [Kind, ...infer Rest] ? Rest : never;

export class Host extends Incoming {
  readonly #room: HostRoom;
  readonly #turns: Turns;
  /** Ends the time limit of the call of the token function. */
  #stopWaiting: () => void = () => {};
  /** Another one for each core: what a core was told to wait for is not the next one's. To hold the core would keep its memory. */
  #era = {};
  /** Topics of changes that were found in storage, and are not told of yet. */
  readonly #restored = new Set<string>();
  /** What the client is. */
  state: Status["state"] = "connecting";

  constructor(turns: Turns, room: HostRoom) {
    super(turns);
    this.#turns = turns;
    this.#room = room;
  }

  /** The client is closed: no timer of a token function that hangs is left. */
  close(): void {
    this.streams.clear();
    this.#stopWaiting();
    this.#stopWaiting = () => {};
    this.#era = {};
  }

  override drop(): void {
    super.drop();
    this.#era = {};
  }

  /** What was told in a turn is done. */
  settle(): void {
    this.#turns.settle();
  }

  mute(socket: WebSocket): void {
    socket.onerror = () => {};
  }

  transmit(socket: WebSocket, records: string): void {
    this.#room.outgoing.add(socket, records);
  }

  received(connection: number, frame: string): void {
    this.#room.place.look();
    this.receive(connection, frame);
  }

  /** The text of an answer to a post; `polling` is the connection whose poll it answers. Undefined if it is too long. */
  text(response: Response, polling: number | undefined): Promise<string | undefined> {
    const era = this.#era;
    return readAnswer(response, polling === undefined ? frameCharsMax : answerBytesMax, (bytes) => {
      // What arrives is a sign of life.
      if (polling === undefined || era !== this.#era) return;
      this.#turns.turn((core) => core.heard(polling, true, bytes));
    });
  }

  askToken(reason: number): void {
    const { base, token } = this.#room;
    const era = this.#era;
    const isWanted = (): boolean => era === this.#era;
    const stop = onLate(() => {
      if (isWanted()) this.#noToken(tokenTimeout(), false);
    });
    this.#stopWaiting();
    this.#stopWaiting = stop;
    askToken(token, reason).then(
      ({ text, livesMs }) => {
        stop();
        if (!isWanted()) return;
        try {
          this.#room.storage.shown(subjectOf(text));
        } catch (error) {
          this.#noToken(error as LonghaulError, true);
          return;
        }
        this.#room.loan.offer(text, livesMs);
        this.#turns.turn((core) => core.token(text, livesMs));
      },
      async (error: LonghaulError) => {
        stop();
        const is = typeof token === "string" || (await isRefusal(error.cause, base));
        if (isWanted()) this.#noToken(error, is);
      },
    );
  }

  #noToken(error: LonghaulError, isRefusal: boolean): void {
    this.#turns.later(() => this.#room.owner.error(error));
    this.#turns.turn((core) => core.noToken(error.message, isRefusal));
  }

  place(isWanted: boolean): void {
    if (isWanted) this.#room.place.seek();
    else this.#room.place.leave();
  }

  remember(transport: number): void {
    const name = transportNames[transport];
    if (name !== undefined) remember(this.#room.base, name);
  }

  postPublication(connection: number, head: string, row: number): void {
    this.#room.outgoing.addWhole(connection, head + this.#room.publications.payload(row));
  }

  transmitPublication(socket: WebSocket, head: string, row: number): void {
    this.#room.outgoing.addWhole(socket, head + this.#room.publications.payload(row));
  }

  statusChanged(...told: Parameters<typeof statusOf>): void {
    const status = statusOf(...told);
    this.state = status.state;
    this.#turns.later(() => this.#room.owner.status(status));
  }

  refused(no: number, code: string, message: string): void {
    const topic = this.streams.get(no)?.topic;
    this.#turns.later(() => this.#room.owner.error(new LonghaulError(code, `${topic}: ${message}`)));
  }

  queued(request: number, row: number, isDurable: boolean): void {
    this.#room.publications.queued(request, row, isDurable);
  }

  publishRefused(request: number, why: number, bytesMax: number): void {
    this.#room.publications.refused(request, why, bytesMax);
  }

  row(request: number, bytes: number, createdAtMs: number, untilMs: number, isHubTime: boolean): StoredRow {
    const { partitionName } = this.#room.storage;
    return this.#room.publications.row(request, partitionName, bytes, createdAtMs, untilMs, isHubTime);
  }

  tagOf(row: number): string | undefined {
    return this.#room.publications.tagOf(row);
  }

  restored(row: number, stored: StoredRow): void {
    this.#room.publications.restored(row, stored);
    const [, topic, kind] = stored;
    if (kind === kindMessage || this.#restored.has(topic)) return;
    // Once for all rows of a topic that are found together: a document looks through all rows for its own.
    this.#restored.add(topic);
    this.#turns.later(() => {
      this.#restored.delete(topic);
      this.#room.owner.restored(topic);
    });
  }

  forget(row: number): void {
    this.#room.publications.forget(row);
  }

  partitionName(): Promise<string> {
    return this.#room.storage.named();
  }

  partition(before: Partition | undefined): Partition {
    return this.#room.storage.partition(before);
  }

  seekSender(isWanted: boolean): void {
    this.#room.storage.seekSender(isWanted);
  }

  tellAdded(...added: Told<"added">): void {
    this.#room.storage.tell(["added", ...added]);
  }

  tellAcked(
    producer: string,
    row: number,
    attempts: number,
    bytes: number,
    epoch: string,
    seq: number,
    duplicate: boolean,
  ): void {
    this.#room.storage.tell(["acked", producer, epoch, [row, attempts, bytes, seq, Number(duplicate)]]);
  }

  tellDead(...dead: Told<"dead">): void {
    this.#room.storage.tell(["dead", ...dead]);
  }

  tellNoted(...noted: Told<"noted">): void {
    this.#room.storage.tell(["noted", ...noted]);
  }

  tellGivenUp(...givenUp: Told<"givenUp">): void {
    this.#room.storage.tell(["givenUp", ...givenUp]);
  }

  tellRenamed(...renamed: Told<"renamed">): void {
    this.#room.storage.tell(["renamed", ...renamed]);
  }

  outboxRefused(code: string, message: string): void {
    const error = new LonghaulError(code, message, {
      hint: "sign in as the user whose publications these are; they wait until then",
    });
    this.#turns.later(() => this.#room.owner.error(error));
  }

  outboxLost(rows: number): void {
    this.#room.storage.lost();
    this.#turns.later(() => this.#room.owner.outboxLost(rows));
  }

  barred(isForeign: boolean): void {
    if (this.#turns.isClosed) return;
    const error = isForeign
      ? new LonghaulError("outbox_name_taken", "the outbox's database is one that longhaul did not make", {
          hint: "pass outbox.name, a name that the app uses for no other database; until then publications are kept in memory",
        })
      : new LonghaulError("reload_required", "a newer version of the app has the outbox's storage", {
          hint: "reload this page; until then it keeps publications in memory",
        });
    this.#turns.later(() => this.#room.owner.error(error));
    this.#turns.settle();
  }

  acked(row: number, epoch: string, seq: number, duplicate: boolean): void {
    this.#room.storage.settled(row);
    this.#room.publications.acked(row, { epoch, seq, duplicate });
  }

  dead(row: number, attempts: number, code: string, message: string): void {
    // Another storage numbers its rows anew.
    if (code !== "outbox_lost") this.#room.storage.settled(row);
    const ended = this.#room.publications.dead(row, attempts, { code, message });
    if (ended === undefined) return;
    this.#room.storage.keep(row, ended);
    this.#turns.later(() => this.#room.owner.deadLetter(ended.letter));
  }
}

function statusOf(
  kind: number,
  no: number,
  attempt: number,
  isExhausted: boolean,
  ms: number,
  rttMs: number | undefined,
  repeatMs: number | undefined,
  closeCode: number,
  detail: string,
): Status {
  const transport = transportNames[no] ?? "websocket";
  if (kind === statusConnecting) return { state: "connecting", attempt, transport };
  if (kind === statusConnected) {
    const now = Date.now();
    return {
      state: "connected",
      transport,
      sinceMs: now - ms,
      ...(rttMs !== undefined && { rttMs }),
      ...(repeatMs !== undefined && { repeatAtMs: now + repeatMs }),
    };
  }
  if (kind === statusOffline) return { state: "offline" };
  const reason = closeReason(closeCode, detail);
  if (kind === statusWaiting) {
    const waiting = { state: "waiting" as const, attempt, retryAtMs: Date.now() + ms, reason };
    return isExhausted ? { ...waiting, isExhausted } : waiting;
  }
  return { state: kind === statusUnauthorized ? "unauthorized" : "closed", reason };
}
