// Reads the records with messages. The browser's JSON.parse reads their payloads, which never enter
// the wasm. The core reads the other records. tests/fixtures/frames.json checks both sides.

import type { Gap } from "./api.js";
import { chainMax, idCharsMax, seqMax } from "./boundary.js";

/** A subscription that gets messages: a stream, or a document. */
export interface Receiver {
  no: number;
  readonly topic: string;
  /** The log of the messages, set before the first of them. */
  epoch: string;
  /** Sets the position that the next message follows. */
  follows?(seq: number, chain: number): void;
  readonly isPassive: boolean;
  /** The position to continue from (rule C4). A document has none: it gets a snapshot. */
  readonly position?: string;
  deliver(messages: Messages, skip: number): void;
  reportGap(gap: Gap): void;
  /** Only documents have this, and only they get snapshots, changes and checkpoints. */
  checkpoint?(seq: number, hash: number): void;
}

/**
 * The numbers and payloads of a record with messages. The reader reuses the object, so copy it to
 * keep it.
 */
export interface Messages {
  no: number;
  first: number;
  count: number;
  chain: number;
  at: number;
  /**
   * Whether `data` is the array of a batch: payload, time after `at`, and id or 0 of each message.
   */
  isBatch: boolean;
  /** Otherwise the payload of the one message. */
  data: unknown;
  /** The id of the one message, if it has one. */
  id: string | undefined;
  /** The characters of the payloads. */
  chars: number;
  /**
   * For a document: `changes`, with their records as `data`; or `snapshot`, with its text as `data`
   * and the last own row that it contains as `at`.
   */
  kind: number;
}

export const changes = 1;
export const snapshot = 2;

const space = 32;
const minus = 45;
const zero = 48;
const verbM = 109;
const verbB = 98;

/**
 * 1 at the code of each character that an id may have. The table is faster than a regular
 * expression.
 */
const isOfId = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-_.~:+/=]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** Whether the record at `at` has messages: `m …` or `b …`. */
export function isMessages(text: string, at: number): boolean {
  const verb = text.charCodeAt(at);
  return (verb === verbM || verb === verbB) && text.charCodeAt(at + 1) === space;
}

let cursor = 0;

/**
 * Reads the record from `at` to `end` into `into`. Returns false if a hub may not send it. No
 * reader passes the end, because each field ends with a space and stops at a line feed.
 */
export function readMessages(text: string, at: number, end: number, into: Messages): boolean {
  const isBatch = text.charCodeAt(at) === verbB;
  cursor = at + 2;
  const no = number(text);
  const first = number(text);
  const count = isBatch ? number(text) : 1;
  const chain = number(text);
  const publishedAt = number(text);
  // If a field is no number, it is NaN, and so is the sum.
  if (!(no + first + count + chain + publishedAt >= 0) || no >= 2 ** 31 || first === 0 || count === 0)
    return false;
  if (first + count - 1 > seqMax || chain > chainMax) return false;
  into.no = no;
  into.first = first;
  into.count = count;
  into.chain = chain;
  into.at = publishedAt;
  into.isBatch = isBatch;
  into.id = undefined;
  if (!isBatch && !readId(text, into)) return false;
  if (cursor >= end) return false;
  into.chars = end - cursor;
  try {
    into.data = JSON.parse(text.slice(cursor, end));
  } catch {
    return false;
  }
  return !isBatch || (Array.isArray(into.data) && into.data.length === 3 * count);
}

/** Whether the record at `at` is an entry of a document: `patch …` or `merge …`. */
export function isChange(text: string, at: number): boolean {
  return text.startsWith("patch ", at) || text.startsWith("merge ", at);
}

/**
 * Reads consecutive entries of one document from `at` on as one run, with their records as `data`.
 * Returns where the run ends, or 0 if an entry is malformed. The core of documents reads what
 * follows the chain.
 */
export function readChanges(text: string, at: number, into: Messages): number {
  let count = 0;
  let first = 0;
  let chain = 0;
  let no = 0;
  let end = at - 1;
  for (let next = at; count === 0 || isChange(text, next); next = end + 1) {
    cursor = next + 6;
    const itsNo = number(text);
    const seq = number(text);
    // An entry of another document, or with another seq, starts a new run.
    if (count > 0 && (itsNo !== no || seq !== first + count)) break;
    const itsChain = number(text);
    if (!(itsNo + seq + itsChain >= 0) || itsNo >= 2 ** 31 || seq === 0 || itsChain > chainMax) return 0;
    const newline = text.indexOf("\n", cursor);
    if (count === 0) {
      no = itsNo;
      first = seq;
    }
    count++;
    chain = itsChain;
    end = newline < 0 ? text.length : newline;
  }
  into.no = no;
  into.first = first;
  into.count = count;
  into.chain = chain;
  into.isBatch = false;
  into.id = undefined;
  into.kind = changes;
  into.data = text.slice(at, end);
  into.chars = end - at;
  return end;
}

/** Whether a record is a snapshot or a checkpoint. */
export function isOfDocument(record: string): boolean {
  return /^(snapshot|checkpoint) /.test(record);
}

/** Reads `checkpoint no seq hash` into `into`, and returns the hash. */
export function readCheckpoint(record: string, into: Messages): number {
  const [, no, seq, hash] = record.split(" ").map(Number);
  into.no = no ?? Number.NaN;
  into.first = seq ?? Number.NaN;
  return hash ?? Number.NaN;
}

/** Reads a snapshot as a run of one message whose payload stays text. */
export function readSnapshot(record: string, into: Messages): boolean {
  cursor = record.indexOf(" ") + 1;
  const no = number(record);
  const first = number(record);
  const chain = number(record);
  const at = number(record);
  if (!(no + first + chain + at >= 0) || no >= 2 ** 31 || chain > chainMax) return false;
  into.no = no;
  into.first = first;
  into.count = 1;
  into.chain = chain;
  into.at = at;
  into.isBatch = false;
  into.id = undefined;
  into.kind = snapshot;
  into.data = record.slice(cursor);
  into.chars = record.length - cursor;
  return into.chars > 0;
}

/** Reads the id at the cursor, or `-` for none, and moves the cursor past the space after it. */
function readId(text: string, into: Messages): boolean {
  const from = cursor;
  if (text.charCodeAt(from) === minus && text.charCodeAt(from + 1) === space) {
    cursor = from + 2;
    return true;
  }
  let at = from;
  while (isOfId[text.charCodeAt(at)] === 1) at++;
  if (text.charCodeAt(at) !== space || at === from || at - from > idCharsMax) return false;
  into.id = text.slice(from, at);
  cursor = at + 1;
  return true;
}

/**
 * Reads the number at the cursor, and moves the cursor past the space after it. NaN if there is
 * none.
 */
function number(text: string): number {
  // A local variable instead of the cursor makes this loop a fifth faster: npm run bench --
  // layouts.
  const from = cursor;
  let at = from;
  let value = 0;
  for (;;) {
    const digit = text.charCodeAt(at++) - zero;
    if (digit === space - zero) break;
    // At the end of the text the code is NaN.
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  cursor = at;
  return at - from > 1 && value <= seqMax ? value : Number.NaN;
}
