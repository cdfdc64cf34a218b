// The counters of a client that has not started, or has just crashed.

import type { Histogram, Metrics } from "./api.js";

const none: Histogram = { count: 0, sum: 0, min: 0, max: 0, p50: 0, p95: 0, p99: 0 };

export function emptyMetrics(): Metrics {
  return {
    connects: 0,
    reconnects: 0,
    attempts: 0,
    transportSwitches: 0,
    messagesReceived: 0,
    messagesReplayed: 0,
    duplicatesDropped: 0,
    gaps: 0,
    resumesFailed: 0,
    publications: 0,
    acks: 0,
    retries: 0,
    deadLetters: 0,
    repeats: 0,
    outboxRows: 0,
    bytesReceived: 0,
    bytesSent: 0,
    missedHeartbeats: 0,
    degradedMs: 0,
    disconnectedMs: 0,
    crashes: 0,
    rttMs: none,
    recoveryMs: none,
    ackMs: none,
    backoffMs: none,
  };
}
