// Formats numbers and times for people.

const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const countFormat = new Intl.NumberFormat("en-GB");

/** Stands for a missing figure. */
export const none = "–";

export function formatClock(atMs: number): string {
  return clockFormat.format(atMs);
}

export function formatCount(count: number): string {
  return countFormat.format(count);
}

/** A duration in a sentence: "0.4 s", "12 s", "3 min 5 s". */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, durationMs) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** A growing duration, in whole seconds so that it does not flicker. */
export function formatAge(ageMs: number): string {
  const seconds = Math.floor(Math.max(0, ageMs) / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** A round trip, with the significant digits. */
export function formatRtt(rttMs: number | undefined): string {
  if (rttMs === undefined || !Number.isFinite(rttMs)) return none;
  return `${rttMs < 9.95 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`;
}

/** A number of bytes and its unit, apart so that the unit can be smaller. */
export function splitBytes(bytes: number): [figure: string, unit: string] {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return [value.toFixed(digits), units[unit] ?? "B"];
}

export function formatBytes(bytes: number): string {
  return splitBytes(bytes).join(" ");
}

/** A gap, as half a sentence. */
export function describeGap({ fromSeq, toSeq }: { fromSeq: number; toSeq: number }): string {
  if (!Number.isFinite(toSeq))
    return `a new log began; everything after message ${fromSeq - 1} of the old one is lost`;
  return fromSeq === toSeq ? `message ${fromSeq} is lost` : `messages ${fromSeq} to ${toSeq} are lost`;
}
