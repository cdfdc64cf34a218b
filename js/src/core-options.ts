// The options of a core: the app's options in the core's numbers, and what earlier visits learned.

import type { Options, TransportName } from "./api.js";
import { jitters, transportNames } from "./boundary.js";
import { randomBytes } from "./browser.js";
import { isSupported } from "./diagnosis.js";
import { backoffDefaults, heartbeatDefaults, outboxDefaults } from "./options.js";
import { recallTransport } from "./transport-memory.js";
import type { CoreOptions } from "./wasm/longhaul.js";

/** The name of the outbox's database if the app passes none. */
export const databaseName = "longhaul";

/** The transports that the app wants, in order of preference. */
export function wantedTransports({ transports }: Options): readonly TransportName[] {
  return transports ?? transportNames;
}

/** Sets the options of a core for the hub at `base`. */
export function toCoreOptions(core: CoreOptions, options: Options, base: string): void {
  const { backoff, heartbeat, outbox, token } = options;
  for (const name of wantedTransports(options).filter(isSupported)) {
    core.transport(transportNames.indexOf(name));
  }
  const worked = recallTransport(base);
  if (worked !== undefined) core.worked(transportNames.indexOf(worked));
  if (token !== undefined) core.hasTokens();
  if (backoff !== undefined) {
    const { baseMs, factor, capMs, jitter, attemptsMax } = { ...backoffDefaults, ...backoff };
    core.backoff(baseMs, factor, capMs, jitters.indexOf(jitter), attemptsMax);
  }
  if (heartbeat !== undefined) {
    const { intervalMs, timeoutMs } = { ...heartbeatDefaults, ...heartbeat };
    core.heartbeat(intervalMs, timeoutMs);
  }
  if (outbox !== false) {
    const { name = databaseName, rowsMax, bytesMax, deadLetterPolicy } = { ...outboxDefaults, ...outbox };
    core.outbox(rowsMax, bytesMax);
    core.durable(name);
    if (deadLetterPolicy === "pause") core.pauses();
  }
}

/** A seed for the core's generator of jitter and ids: a whole number below 2^53. */
export function seed(): number {
  const [high = 0, low = 0] = new Uint32Array(randomBytes(8).buffer);
  return (high % 2 ** 21) * 2 ** 32 + low;
}
