// The JavaScript side of the core: src/web/host.rs names these methods. incoming.ts handles
// messages.
//
// No method here runs a listener of the app. The scheduler calls listeners after the core's turn.

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
import type { EngineEvents } from "./engine-events.js";
import { closeReason, type ErrorCode, LonghaulError } from "./errors.js";
import { Incoming } from "./incoming.js";
import type { Outgoing } from "./outgoing.js";
import { readAnswer } from "./parts.js";
import type { Publications } from "./publications.js";
import type { Partition, Row } from "./rows.js";
import type { Scheduler } from "./scheduler.js";
import type { Slot } from "./slot.js";
import type { Storage } from "./storage.js";
import type { TabMessage } from "./tabs.js";
import { askToken, isRefusal, onLate, subjectOf, type TokenSharing, tokenTimeout } from "./token.js";
import { rememberTransport } from "./transport-memory.js";

export interface HostDependencies {
  readonly base: string;
  readonly token: Options["token"];
  readonly events: EngineEvents;
  readonly outgoing: Outgoing;
  readonly publications: Publications;
  readonly storage: Storage;
  readonly slot: Slot;
  readonly tokenSharing: TokenSharing;
}

/** The elements of a tab message after its kind. */
type Payload<Kind> =
  Extract<TabMessage, readonly [Kind, ...unknown[]]> extends readonly [Kind, ...infer Rest] ? Rest : never;

export class Host extends Incoming {
  readonly #dependencies: HostDependencies;
  readonly #scheduler: Scheduler;
  /** Ends the time limit of the token function's call. */
  #stopWaiting: () => void = () => {};
  /**
   * Identifies the core: answers that an earlier core waited for do not go to the next one. A
   * reference to the core itself would keep its memory.
   */
  #generation = {};
  /** Topics of changes that the core has read from storage, and that are still to be reported. */
  readonly #restored = new Set<string>();
  /** The state of the client. */
  state: Status["state"] = "connecting";

  constructor(scheduler: Scheduler, dependencies: HostDependencies) {
    super(scheduler);
    this.#scheduler = scheduler;
    this.#dependencies = dependencies;
  }

  /** The client is closed. Also stops the timer of a token function that hangs. */
  close(): void {
    this.streams.clear();
    this.#stopWaiting();
    this.#stopWaiting = () => {};
    this.#generation = {};
  }

  override drop(): void {
    super.drop();
    this.#generation = {};
  }

  /** The core has made all calls of a turn. */
  settle(): void {
    this.#scheduler.settle();
  }

  mute(socket: WebSocket): void {
    socket.onerror = () => {};
  }

  transmit(socket: WebSocket, records: string): void {
    this.#dependencies.outgoing.add(socket, records);
  }

  received(connection: number, frame: string): void {
    this.#dependencies.slot.recheck();
    this.receive(connection, frame);
  }

  /**
   * The text of an answer to a post, or undefined if it is too long. `polling` is the connection
   * whose poll it answers.
   */
  text(response: Response, polling: number | undefined): Promise<string | undefined> {
    const generation = this.#generation;
    return readAnswer(response, polling === undefined ? frameCharsMax : answerBytesMax, (bytes) => {
      // Each piece shows that the connection is alive.
      if (polling === undefined || generation !== this.#generation) return;
      this.#scheduler.run((core) => core.heard(polling, true, bytes));
    });
  }

  askToken(reason: number): void {
    const { base, token } = this.#dependencies;
    const generation = this.#generation;
    const isWanted = (): boolean => generation === this.#generation;
    const stop = onLate(() => {
      if (isWanted()) this.#noToken(tokenTimeout(), { isRefusal: false });
    });
    this.#stopWaiting();
    this.#stopWaiting = stop;
    askToken(token, reason).then(
      ({ text, livesMs }) => {
        stop();
        if (!isWanted()) return;
        try {
          this.#dependencies.storage.enterWithToken(subjectOf(text));
        } catch (error) {
          this.#noToken(error as LonghaulError, { isRefusal: true });
          return;
        }
        this.#dependencies.tokenSharing.offer(text, livesMs);
        this.#scheduler.run((core) => core.token(text, livesMs));
      },
      async (error: LonghaulError) => {
        stop();
        const refusal = typeof token === "string" || (await isRefusal(error.cause, base));
        if (isWanted()) this.#noToken(error, { isRefusal: refusal });
      },
    );
  }

  #noToken(error: LonghaulError, { isRefusal }: { isRefusal: boolean }): void {
    this.#scheduler.defer(() => this.#dependencies.events.error(error));
    this.#scheduler.run((core) => core.noToken(error.message, isRefusal));
  }

  seekSlot(isWanted: boolean): void {
    if (isWanted) this.#dependencies.slot.seek();
    else this.#dependencies.slot.release();
  }

  remember(transport: number): void {
    const name = transportNames[transport];
    if (name !== undefined) rememberTransport(this.#dependencies.base, name);
  }

  postPublication(connection: number, head: string, row: number): void {
    this.#dependencies.outgoing.addWhole(connection, head + this.#dependencies.publications.payload(row));
  }

  transmitPublication(socket: WebSocket, head: string, row: number): void {
    this.#dependencies.outgoing.addWhole(socket, head + this.#dependencies.publications.payload(row));
  }

  statusChanged(...values: Parameters<typeof statusOf>): void {
    const status = statusOf(...values);
    this.state = status.state;
    this.#scheduler.defer(() => this.#dependencies.events.status(status));
  }

  refused(no: number, code: ErrorCode, message: string): void {
    const topic = this.streams.get(no)?.topic;
    this.#scheduler.defer(() =>
      this.#dependencies.events.error(new LonghaulError(code, `${topic}: ${message}`)),
    );
  }

  queued(request: number, row: number, isDurable: boolean): void {
    this.#dependencies.publications.queued(request, row, isDurable);
  }

  publishRefused(request: number, why: number, bytesMax: number): void {
    this.#dependencies.publications.refused(request, why, bytesMax);
  }

  row(request: number, bytes: number, createdAtMs: number, expiresAtMs: number, isHubTime: boolean): Row {
    const { partitionName: partition } = this.#dependencies.storage.identity;
    const stored = { partition, bytes, createdAtMs, expiresAtMs, isHubTime };
    return this.#dependencies.publications.row(request, stored);
  }

  tagOf(row: number): Row[11] {
    return this.#dependencies.publications.tagOf(row);
  }

  restored(row: number, stored: Row): void {
    this.#dependencies.publications.restored(row, stored);
    const [, topic, kind] = stored;
    if (kind === kindMessage || this.#restored.has(topic)) return;
    // Once for all rows of a topic in one turn: a document searches all rows for its own.
    this.#restored.add(topic);
    this.#scheduler.defer(() => {
      this.#restored.delete(topic);
      this.#dependencies.events.restored(topic);
    });
  }

  forget(row: number): void {
    this.#dependencies.publications.forget(row);
  }

  partitionName(): Promise<string> {
    return this.#dependencies.storage.partitionName();
  }

  partition(before: Partition | undefined): Partition {
    return this.#dependencies.storage.identity.partition(before);
  }

  seekLeadership(isWanted: boolean): void {
    if (isWanted) this.#dependencies.storage.seekLeadership();
    else this.#dependencies.storage.resignLeadership();
  }

  broadcastAdded(...added: Payload<"added">): void {
    this.#dependencies.storage.broadcast(["added", ...added]);
  }

  broadcastAcked(
    producer: string,
    row: number,
    attempts: number,
    bytes: number,
    epoch: string,
    seq: number,
    duplicate: boolean,
  ): void {
    this.#dependencies.storage.broadcast([
      "acked",
      producer,
      epoch,
      [row, attempts, bytes, seq, Number(duplicate)],
    ]);
  }

  broadcastDead(...dead: Payload<"dead">): void {
    this.#dependencies.storage.broadcast(["dead", ...dead]);
  }

  broadcastOutcomeStored(...noted: Payload<"outcomeStored">): void {
    this.#dependencies.storage.broadcast(["outcomeStored", ...noted]);
  }

  broadcastCancelled(...givenUp: Payload<"cancelled">): void {
    this.#dependencies.storage.broadcast(["cancelled", ...givenUp]);
  }

  broadcastRenamed(...renamed: Payload<"renamed">): void {
    this.#dependencies.storage.broadcast(["renamed", ...renamed]);
  }

  outboxRefused(code: ErrorCode, message: string): void {
    const error = new LonghaulError(code, message, {
      hint: "sign in as the user to whom the publications belong; they wait until then",
    });
    this.#scheduler.defer(() => this.#dependencies.events.error(error));
  }

  outboxLost(rows: number): void {
    this.#dependencies.storage.lost();
    this.#scheduler.defer(() => this.#dependencies.events.outboxLost(rows));
  }

  barred(isForeign: boolean): void {
    if (this.#scheduler.isClosed) return;
    const error = isForeign
      ? new LonghaulError(
          "outbox_name_taken",
          "another part of the app has a database with the outbox's name",
          {
            hint: "pass an unused name as outbox.name; until then publications stay in memory",
          },
        )
      : new LonghaulError("reload_required", "a newer version of the app has upgraded the outbox's storage", {
          hint: "reload this page; until then its publications stay in memory",
        });
    this.#scheduler.defer(() => this.#dependencies.events.error(error));
    this.#scheduler.settle();
  }

  acked(row: number, epoch: string, seq: number, duplicate: boolean): void {
    this.#dependencies.storage.settled(row);
    this.#dependencies.publications.acked(row, { epoch, seq, duplicate });
  }

  dead(row: number, attempts: number, code: ErrorCode, message: string): void {
    // A new database numbers its rows from 1, so this row's number may come again.
    if (code !== "outbox_lost") this.#dependencies.storage.settled(row);
    const ended = this.#dependencies.publications.dead(row, attempts, { code, message });
    if (ended === undefined) return;
    const { publication, deadLetter } = ended;
    this.#dependencies.storage.keep(row, publication, deadLetter);
    this.#scheduler.defer(() => this.#dependencies.events.deadLetter(deadLetter));
  }
}

/** The status that the core reports. */
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
