// Reads messages records. Payloads are parsed here, by the browser's own JSON.parse, and never enter the wasm.
//
// The other records are read by the core. Both sides hold to tests/fixtures/frames.json.

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
}

const space = 32;
const minus = 45;
const letterM = 109;
const letterB = 98;
const seqMax = 2 ** 53 - 1;
const chainMax = 2 ** 48 - 1;
const messageId = /^[A-Za-z0-9\-_.~:+/=]{1,128}$/;

/** Whether the record at `at` is one of messages: `m …` or `b …`. */
export function isMessages(text: string, at: number): boolean {
  const verb = text.charCodeAt(at);
  return (verb === letterM || verb === letterB) && text.charCodeAt(at + 1) === space;
}

let cursor = 0;

/** Reads the record from `at` up to `end` into `into`. False if it is not one that a hub may send. */
export function readMessages(text: string, at: number, end: number, into: Messages): boolean {
  const isBatch = text.charCodeAt(at) === letterB;
  into.isBatch = isBatch;
  cursor = at + 2;
  into.no = number(text);
  into.first = number(text);
  into.count = isBatch ? number(text) : 1;
  into.chain = number(text);
  into.at = number(text);
  // A field that was no number is NaN, and so is their sum.
  const sum = into.no + into.first + into.count + into.chain + into.at;
  if (!(sum >= 0) || into.no >= 2 ** 31 || into.first === 0 || into.count === 0) return false;
  if (into.first + into.count - 1 > seqMax || into.chain > chainMax || cursor >= end) return false;
  if (isBatch) {
    into.id = undefined;
  } else {
    const stop = text.indexOf(" ", cursor);
    if (stop <= cursor || stop >= end) return false;
    into.id = stop === cursor + 1 && text.charCodeAt(cursor) === minus ? undefined : text.slice(cursor, stop);
    if (into.id !== undefined && !messageId.test(into.id)) return false;
    cursor = stop + 1;
  }
  into.chars = end - cursor;
  try {
    into.data = JSON.parse(text.slice(cursor, end));
  } catch {
    return false;
  }
  return !isBatch || (Array.isArray(into.data) && into.data.length === 3 * into.count);
}

/** The number at the cursor, and the cursor behind the space after it; NaN if there is none. */
function number(text: string): number {
  let value = 0;
  const from = cursor;
  for (;;) {
    const digit = text.charCodeAt(cursor++) - 48;
    if (digit === space - 48) return cursor - from > 1 && value <= seqMax ? value : Number.NaN;
    // Also at the end of the text, where the code is NaN.
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
}
