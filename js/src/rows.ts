// What a row, a dead letter and a partition look like in storage: the other side of src/web/store/row.rs.

import type { DeadLetter, Options, OutboxRow } from "./api.js";
import { kinds, rowStateCancelled, rowStateSent } from "./boundary.js";

export type StoredRow = readonly [
  partition: string,
  topic: string,
  kind: number,
  text: string,
  bytes: number,
  createdAtMs: number,
  untilMs: number,
  isHubTime: boolean,
  key: string | undefined,
  state: 0 | 1 | 2,
  attempts: number,
  tag: string | undefined,
  code?: string,
  message?: string,
];

/** What is known of a partition: whose rows they are and where they go. Later versions may add places at the end. */
export type Partition = readonly [
  producer: string,
  base: string,
  subject: string,
  hasToken: boolean,
  tokenUrl: string | undefined,
  isPausing?: boolean,
  /** The producers before, with spaces between them: src/web/store/work.rs. */
  formers?: string,
];

/** What a client of a partition is told that has no app to tell it: it sends what waits, and nothing else. */
export function partitionOptions(
  database: string,
  [, , subject, hasToken, , isPausing]: Partition,
  token: Exclude<Options["token"], string | undefined>,
): Options {
  const outbox = { name: database, poison: isPausing ? ("pause" as const) : ("continue" as const) };
  const options: Options = { transports: ["longpoll"], subject, outbox };
  return hasToken ? { ...options, token } : options;
}

/** Rows of one hub and one subject. A base has no space in it. */
export function partitionName(base: string, subject: string): string {
  return `${base} ${subject}`;
}

/** What the numbers of kinds mean to users: of rows and of dead letters. */
export function kindOf(kind: number): OutboxRow["kind"] {
  return kinds[kind] ?? "message";
}

/** `attemptsHere` are those that storage has not heard of yet. */
export function rowOf(id: string, row: StoredRow, attemptsHere: number, isDiscarding = false): OutboxRow {
  const [, topic, kind, text, , createdAtMs, expiresAtMs, , , state, attemptsBefore] = row;
  const attempts = Math.max(attemptsBefore, attemptsHere);
  return {
    id,
    topic,
    kind: kindOf(kind),
    state:
      isDiscarding || state === rowStateCancelled
        ? "discarding"
        : state === rowStateSent || attempts > 0
          ? "sent"
          : "queued",
    attempts,
    createdAtMs,
    expiresAtMs,
    data: JSON.parse(text),
  };
}

export function letterOf(id: string, row: StoredRow): DeadLetter {
  const [, topic, kind, text, , createdAtMs, expiresAtMs, , , , attempts, , code = "", message = ""] = row;
  return {
    id,
    topic,
    kind: kindOf(kind),
    attempts,
    createdAtMs,
    expiresAtMs,
    data: JSON.parse(text),
    reason: { code, message },
  };
}
