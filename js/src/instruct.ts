// What a core is told before it starts: the user's options, in its numbers, and what is known from before.

import type { Options, TransportName } from "./api.js";
import { isSupported, transportNames } from "./diagnosis.js";
import { recall } from "./memory.js";
import { jitters } from "./options.js";
import type { CoreOptions } from "./wasm/longhaul.js";

/** The outbox's database, where the user names none. */
export const databaseName = "longhaul";

/** What the user wants, in order of preference. */
export function wantedTransports({ transports }: Options): readonly TransportName[] {
  return transports ?? transportNames;
}

/** Tells a core what it is to be told at its start. */
export function instruct(options: CoreOptions, given: Options, base: string): void {
  const { backoff, heartbeat, outbox, token } = given;
  for (const name of wantedTransports(given).filter(isSupported)) {
    options.transport(transportNames.indexOf(name));
  }
  const worked = recall(base);
  if (worked !== undefined) options.worked(transportNames.indexOf(worked));
  if (token !== undefined) options.hasTokens();
  if (backoff !== undefined) {
    const { baseMs = 1_000, factor = 2, capMs = 30_000, jitter = "full", attemptsMax = 20 } = backoff;
    options.backoff(baseMs, factor, capMs, jitters.indexOf(jitter), attemptsMax);
  }
  if (heartbeat !== undefined) {
    options.heartbeat(heartbeat.intervalMs ?? 25_000, heartbeat.timeoutMs ?? 10_000);
  }
  if (outbox !== false) {
    const { name = databaseName, rowsMax = 50_000, bytesMax = 16 * 1024 * 1024, poison } = outbox ?? {};
    options.outbox(rowsMax, bytesMax);
    options.durable(name);
    if (poison === "pause") options.pauses();
  }
}

/** Of the generator of jitter and ids. */
export function seed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 2 ** 21) * 2 ** 32 + low;
}
