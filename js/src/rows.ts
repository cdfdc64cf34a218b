// The format of rows, dead letters and partitions in storage. src/web/store/row.rs is the other
// side.

import type { DeadLetter, ErrorCode, Options, OutboxRow } from "./api.js";
import { kinds, rowStateCancelled, rowStateSent } from "./boundary.js";
import { found } from "./browser.js";

/** A row in storage. A dead letter is a row with a code and a message at its end. */
export type Row = readonly [
  partition: string,
  topic: string,
  kind: number,
  text: string,
  bytes: number,
  createdAtMs: number,
  expiresAtMs: number,
  isHubTime: boolean,
  key: string | undefined,
  state: 0 | 1 | 2,
  attempts: number,
  /** A text for a call of `publish`, a number for a retried dead letter (src/web/store/row.rs). */
  tag: string | number | undefined,
  code?: ErrorCode | undefined,
  message?: string | undefined,
];

/** The record of a partition. Later versions may add elements at the end. */
export type Partition = readonly [
  producer: string,
  base: string,
  subject: string,
  hasToken: boolean,
  tokenUrl: string | undefined,
  isPausing?: boolean,
  /** The earlier producers, with spaces between them: src/web/store/work.rs. */
  formers?: string,
];

/** The options of a service worker's client, which only sends the rows of a partition. */
export function partitionOptions(
  database: string,
  [, , subject, hasToken, , isPausing]: Partition,
  token: Exclude<Options["token"], string | undefined>,
): Options {
  const outbox = { name: database, deadLetterPolicy: isPausing ? ("pause" as const) : ("continue" as const) };
  const options: Options = { transports: ["longpoll"], subject, outbox };
  return hasToken ? { ...options, token } : options;
}

/** The name of the partition of one hub and one subject. A base contains no space. */
export function partitionName(base: string, subject: string): string {
  return `${base} ${subject}`;
}

/** The public name of a kind: storage has its number. */
export function kindOf(kind: number): OutboxRow["kind"] {
  return kinds[kind] ?? "message";
}

/** A row for the app. `local` is what this tab knows and storage may not know yet. */
export function toOutboxRow(
  id: string,
  row: Row,
  local: { attempts: number; isDiscarded?: boolean },
): OutboxRow {
  const shown = show(id, row);
  const attempts = Math.max(shown.attempts, local.attempts);
  const state = row[9];
  const isDiscarding = local.isDiscarded || state === rowStateCancelled;
  return {
    ...shown,
    state: isDiscarding ? "discarding" : state === rowStateSent || attempts > 0 ? "sent" : "queued",
    attempts,
  };
}

export function toDeadLetter(id: string, row: Row): DeadLetter {
  const [code, message = ""] = row.slice(12) as [ErrorCode, string?];
  return { ...show(id, row), reason: { code, message } };
}

function show(id: string, row: Row): Omit<OutboxRow, "state"> {
  const [, topic, kind, text, , createdAtMs, expiresAtMs, , , , attempts] = row;
  return {
    id,
    topic,
    kind: kindOf(kind),
    attempts,
    createdAtMs,
    expiresAtMs,
    data: dataOf(text),
  };
}

/** The data of a payload; undefined for a text that something else has stored. */
export function dataOf(text: string): unknown {
  return found(() => JSON.parse(text));
}
