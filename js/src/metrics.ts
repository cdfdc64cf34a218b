// The numbers of a client by their names, which Rust shares.

import names from "../../src/metrics.json" with { type: "json" };
import type { Metrics } from "./api.js";

/** What JavaScript counts by itself. */
export type OwnMetrics = Pick<Metrics, "outboxRows" | "bytesReceived" | "bytesSent">;

/** The core's numbers in the order of the names; 0 where there are none. */
export function metricsOf(numbers: ArrayLike<number>, own: OwnMetrics): Metrics {
  let at = 0;
  const named = <T>(names: readonly string[], next: () => T): Record<string, T> =>
    Object.fromEntries(names.map((name) => [name, next()]));
  const number = (): number => numbers[at++] ?? 0;
  const counters = named(names.counters, number);
  const histograms = named(names.histograms, () => named(names.histogram, number));
  return { ...counters, ...histograms, ...own } as unknown as Metrics;
}

/** Those of a client that has not begun. */
export function emptyMetrics(): Metrics {
  return metricsOf([], { outboxRows: 0, bytesReceived: 0, bytesSent: 0 });
}
