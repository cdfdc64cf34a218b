// Reads messages records. Payloads are parsed here, by the browser's own JSON.parse, and never enter the wasm.
//
// The other records are read by the core. Both sides hold to tests/fixtures/frames.json.

import type { Gap } from "./api.js";
import { chainMax, idCharsMax, seqMax } from "./boundary.js";

/** Whom records of a subscription are for. */
export interface Receiver {
  no: number;
  readonly topic: string;
  /** The log that the messages belong to; told before the first of them. */
  epoch: string;
  /** What its messages follow, after `epoch`. */
  follows?(seq: number, chain: number): void;
  readonly isPassive: boolean;
  /** Where it goes on, as rule C4 has it. A document has none: it asks for a snapshot. */
  readonly place?: string;
  deliver(messages: Messages, skip: number): void;
  tellGap(gap: Gap): void;
  /** What tells a document from a topic of messages: only one of a document gets snapshots, changes and checkpoints. */
  checkpoint?(seq: number, hash: number): void;
}

/** Numbers of a messages record, and its payloads. One object serves all: copy what you keep. */
export interface Messages {
  no: number;
  first: number;
  count: number;
  chain: number;
  at: number;
  /** Whether `data` is the array of a batch: payload, time after `at`, id or 0, for each message. */
  isBatch: boolean;
  /** Else the one message's payload. */
  data: unknown;
  /** The one message's id, if it has one. */
  id: string | undefined;
  /** Characters of payload. */
  chars: number;
  /** Of a document: `changes`, whose `data` are their records, or `snapshot`, whose `data` is unread and `at` our last row in it. */
  kind: number;
}

export const changes = 1;
export const snapshot = 2;

const space = 32;
const minus = 45;
const zero = 48;
const letterM = 109;
const letterB = 98;

/** 1 at the code of each character that an id may have: a look here is quicker than a regular expression. */
const isOfId = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-_.~:+/=]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** Whether the record at `at` is one of messages: `m …` or `b …`. */
export function isMessages(text: string, at: number): boolean {
  const verb = text.charCodeAt(at);
  return (verb === letterM || verb === letterB) && text.charCodeAt(at + 1) === space;
}

let cursor = 0;

/**
 * Reads the record from `at` up to `end` into `into`. False if it is not one that a hub may send. No reader goes past the
 * end: what it takes ends with a space, and a LF stops it.
 */
export function readMessages(text: string, at: number, end: number, into: Messages): boolean {
  const isBatch = text.charCodeAt(at) === letterB;
  cursor = at + 2;
  const no = number(text);
  const first = number(text);
  const count = isBatch ? number(text) : 1;
  const chain = number(text);
  const publishedAt = number(text);
  // A field that was no number is NaN, and so is their sum.
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
 * Takes the entries of one document that follow each other from `at` on as one run, whose `data` are their records. Gives
 * where it ends, 0 if one of them has no place. What stands after the chain is read where they are applied.
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
    // Another document's, or not the next: another run.
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

/** Whether a record that is neither of messages nor a change is of a document. */
export function isOfDocument(record: string): boolean {
  return /^(snapshot|checkpoint) /.test(record);
}

/** What the third number of `checkpoint no seq hash` is, the others being read into `into`. */
export function readCheckpoint(record: string, into: Messages): number {
  const [, no, seq, hash] = record.split(" ").map(Number);
  into.no = no ?? Number.NaN;
  into.first = seq ?? Number.NaN;
  return hash ?? Number.NaN;
}

/** Reads `snapshot` as a run of one message whose payload stays text. */
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

/** Reads the id at the cursor, or `-` for none, and moves the cursor behind the space after it. */
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

/** The number at the cursor, and the cursor behind the space after it; NaN if there is none. */
function number(text: string): number {
  // Counting in a local variable and not in the cursor makes this loop a fifth faster: npm run bench -- layouts.
  const from = cursor;
  let at = from;
  let value = 0;
  for (;;) {
    const digit = text.charCodeAt(at++) - zero;
    if (digit === space - zero) break;
    // Also at the end of the text, where the code is NaN.
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  cursor = at;
  return at - from > 1 && value <= seqMax ? value : Number.NaN;
}
