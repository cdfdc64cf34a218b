// What a kill leaves of the log in which Chromium keeps an origin's databases, a LevelDB.
//
// A process that is killed between the header of a record and its payload leaves a torn record at
// the end. LevelDB ignores that, as it should, but Chromium has it go on in the same log, behind
// the torn record; whoever reads on from there finds a wrong checksum, and then Chromium removes
// the database and begins with an empty one. So a kill costs all that was complete before the one
// after it, whatever the durability: docs/decisions/outbox.md. That is the browser's loss, and
// hides ours: here what is torn is cut off, as LevelDB alone would do.

import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";

/** Source: LevelDB, doc/log_format.md. */
const blockBytes = 32_768;
const headerBytes = 7;
/** Kinds of records: whole ones, and the last part of one that is in several. */
const full = 1;
const last = 4;

/** Where the last record that is whole ends. */
export function wholeBytes(log: Buffer): number {
  let whole = 0;
  let at = 0;
  while (at < log.length) {
    const left = blockBytes - (at % blockBytes);
    if (left < headerBytes) {
      // Too short for a record: what is left of a block is filled up.
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

/** Cuts off what is torn, in a browser's profile. Gives in how many logs something was. */
export function cutTorn(profile: string): number {
  const torn = logsIn(profile).filter((path) => {
    const log = readFileSync(path);
    const whole = wholeBytes(log);
    if (whole < log.length) truncateSync(path, whole);
    return whole < log.length;
  });
  return torn.length;
}

/** Leaves a torn record at the end of each log: a header, and no payload. */
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
