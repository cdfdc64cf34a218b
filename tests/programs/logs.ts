// Reads the logs of the hub's topics into the model, with the requests of a back end.

import type { Log, Model } from "./model.js";
import { topics } from "./program.js";

/** How many entries one request asks for: the hub's limit. */
const entriesMax = 1_000;

export type Read = (path: string, init?: RequestInit) => Promise<Response>;

/** The body that rule P3 defines. */
interface LogPage {
  readonly epoch: string;
  readonly entries: readonly { seq: number; data: unknown }[];
  readonly firstSeq?: number;
}

/** The log that the hub has now; undefined where it gives none. */
export async function readLog(read: Read, topic: string): Promise<Log | undefined> {
  const entries: unknown[] = [];
  let firstSeq = 1;
  for (let from = 1; ; ) {
    const path = `/v1/topics/${topic}?from=${from}&limit=${entriesMax}`;
    const response = await read(path).catch(() => undefined);
    if (response === undefined) return undefined;
    const page = (await response.json()) as LogPage;
    const isTrimmed = response.status === 410 && page.firstSeq !== undefined && page.firstSeq !== from;
    if (isTrimmed && entries.length === 0) {
      firstSeq = page.firstSeq as number;
      from = firstSeq;
      continue;
    }
    if (!response.ok) return undefined;
    if (page.entries.length === 0) return { epoch: page.epoch, firstSeq, entries };
    entries.push(...page.entries.map(({ data }) => data));
    from = firstSeq + entries.length;
  }
}

/** Gives the model the logs of all topics, each in place of an earlier reading. */
export async function readLogs(
  model: Model,
  logOf: (topic: string) => Promise<Log | undefined>,
): Promise<void> {
  for (const topic of topics) {
    const log = await logOf(topic);
    // A hub that is about to end may still acknowledge the first entry of an empty log.
    if (log === undefined || (log.entries.length === 0 && !log.isCut)) continue;
    const known = model.logs.get(topic) ?? [];
    model.logs.set(topic, [...known.filter(({ epoch }) => epoch !== log.epoch), log]);
  }
}

/** Publishes a message to the topic, as a back end does. */
export function post(read: Read, topic: string, no: number): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return read(`/v1/topics/${topic}`, { method: "POST", headers, body: JSON.stringify({ no }) });
}
