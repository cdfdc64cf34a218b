// Shows the client's metrics once a second.

import type { Client, Metrics } from "longhaul";
import { byId, element, setText } from "./dom";
import { formatBytes, formatCount, formatDuration, formatRtt, none } from "./format";

const refreshMs = 1000;

type Row = [id: string, label: string, figure: (metrics: Metrics) => string];

const rows: readonly Row[] = [
  ["messages-received", "Messages received", (metrics) => formatCount(metrics.messagesReceived)],
  ["messages-replayed", "Of these, replayed", (metrics) => formatCount(metrics.messagesReplayed)],
  ["duplicates-dropped", "Duplicates dropped", (metrics) => formatCount(metrics.duplicatesDropped)],
  ["gaps", "Gaps reported", (metrics) => formatCount(metrics.gaps)],
  ["reconnects", "Reconnects", (metrics) => formatCount(metrics.reconnects)],
  ["attempts", "Attempts", (metrics) => formatCount(metrics.attempts)],
  ["moves", "Moves while connected", (metrics) => formatCount(metrics.transportSwitches)],
  ["publications", "Published / acknowledged", (metrics) => `${metrics.publications} / ${metrics.acks}`],
  ["bytes-received", "Bytes received", (metrics) => formatBytes(metrics.bytesReceived)],
  ["bytes-sent", "Bytes sent", (metrics) => formatBytes(metrics.bytesSent)],
  ["rtt", "Round trip, p50 / p95", (metrics) => quantiles(metrics)],
  ["degraded", "On a degraded transport", (metrics) => formatDuration(metrics.degradedMs)],
  ["disconnected", "Without a connection", (metrics) => formatDuration(metrics.disconnectedMs)],
];

function quantiles({ rttMs }: Metrics): string {
  return rttMs.count === 0 ? none : `${formatRtt(rttMs.p50)} / ${formatRtt(rttMs.p95)}`;
}

/** Returns a function for the page's timer. */
export function showMetrics(client: Client): (nowMs: number) => void {
  const list = byId("metrics", HTMLDListElement);
  const cells = rows.map(([id, label]) => {
    const cell = element("dd", "", none);
    cell.dataset["testid"] = `metric-${id}`;
    list.append(element("div", "", element("dt", "", label), cell));
    return cell;
  });
  let dueMs = 0;
  return (nowMs) => {
    if (nowMs < dueMs) return;
    dueMs = nowMs + refreshMs;
    const metrics = client.metrics();
    rows.forEach(([, , figure], index) => {
      const cell = cells[index];
      if (cell !== undefined) setText(cell, figure(metrics));
    });
  };
}
