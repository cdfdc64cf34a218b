// What a core is told before it starts: the user's options, in its numbers, and what is known from before.

import type { Options, TransportName } from "./api.js";
import { heartbeatIntervalMs, heartbeatTimeoutMs, jitters, transportNames } from "./boundary.js";
import { randomBytes } from "./browser.js";
import { isSupported } from "./diagnosis.js";
import { recall } from "./memory.js";
import { backoffDefaults, outboxDefaults } from "./options.js";
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
    const { baseMs, factor, capMs, jitter, attemptsMax } = { ...backoffDefaults, ...backoff };
    options.backoff(baseMs, factor, capMs, jitters.indexOf(jitter), attemptsMax);
  }
  if (heartbeat !== undefined) {
    options.heartbeat(heartbeat.intervalMs ?? heartbeatIntervalMs, heartbeat.timeoutMs ?? heartbeatTimeoutMs);
  }
  if (outbox !== false) {
    const { name = databaseName, rowsMax, bytesMax, poison } = { ...outboxDefaults, ...outbox };
    options.outbox(rowsMax, bytesMax);
    options.durable(name);
    if (poison === "pause") options.pauses();
  }
}

/** Of the generator of jitter and ids. */
export function seed(): number {
  const [high = 0, low = 0] = new Uint32Array(randomBytes(8).buffer);
  return (high % 2 ** 21) * 2 ** 32 + low;
}
