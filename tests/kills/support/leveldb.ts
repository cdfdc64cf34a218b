// Cuts torn records off Chromium's LevelDB logs, as LevelDB alone would do. Chromium appends after
// a torn record that a kill leaves. The next reader then finds a wrong checksum, and Chromium
// starts with an empty database. That loss is the browser's, and would hide the package's:
// docs/decisions/outbox.md.

import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";

/** Source: LevelDB, doc/log_format.md. */
const blockBytes = 32_768;
const headerBytes = 7;
/** The types of records: whole ones, and the last part of a record in several parts. */
const full = 1;
const last = 4;

/** Returns where the last whole record ends. */
export function wholeBytes(log: Buffer): number {
  let whole = 0;
  let at = 0;
  while (at < log.length) {
    const left = blockBytes - (at % blockBytes);
    if (left < headerBytes) {
      // The rest of the block is too short for a record, so it is padding.
      if (whole === at) whole = Math.min(at + left, log.length);
      at += left;
      continue;
    }
    if (at + headerBytes > log.length) break;
    const kind = log.readUInt8(at + 6);
    at += headerBytes + log.readUInt16LE(at + 4);
    if (at > log.length) break;
    if (kind === full || kind === last) whole = at;
  }
  return whole;
}

/** Cuts off torn records in a browser's profile. Returns how many logs had one. */
export function cutTorn(profile: string): number {
  const torn = logsIn(profile).filter((path) => {
    const log = readFileSync(path);
    const whole = wholeBytes(log);
    if (whole < log.length) truncateSync(path, whole);
    return whole < log.length;
  });
  return torn.length;
}

/** Leaves a torn record at the end of each log: a header without a payload. */
export function tear(profile: string): void {
  const header = Buffer.from([1, 2, 3, 4, 100, 0, full]);
  for (const path of logsIn(profile)) appendFileSync(path, header);
}

function logsIn(profile: string): string[] {
  const databases = join(profile, "Default/IndexedDB");
  if (!existsSync(databases)) return [];
  const files = readdirSync(databases, { recursive: true, encoding: "utf8" });
  return files.filter((file) => /leveldb.*\.log$/.test(file)).map((file) => join(databases, file));
}
