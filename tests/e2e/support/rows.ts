// Publishes rows from pages, and checks at the end that each of them is exactly once where it
// belongs.

import { expect, type Page } from "@playwright/test";
import type * as api from "longhaul";
import { quick } from "./fixtures.js";
import { type Hub, hubEntries } from "./hub.js";

interface Publication {
  id: string;
  topic: string;
  deferred: api.Receipt["deferred"];
  acked: Promise<api.Ack>;
}

declare global {
  /** The publications that this page has made with `publish`. */
  var publications: Publication[];
}

interface PublishRequest {
  count: number;
  by?: string;
  topics?: string[];
  options?: api.Options;
}

/**
 * Publishes n = 1, 2, … to the topics in turn, and waits until storage has all of them. Resolves
 * with each receipt's `deferred`.
 */
export async function publish(
  page: Page,
  url: string,
  { count, by = "page", topics = ["t"], options = quick }: PublishRequest,
): Promise<Publication["deferred"][]> {
  return page.evaluate(
    async ([url, options, topics, count, by]) => {
      globalThis.opened ??= longhaul.open(url, options);
      globalThis.publications ??= [];
      const first = publications.length;
      const calls = Array.from({ length: count }, async (_, i) => {
        const topic = topics[i % topics.length] ?? "";
        const receipt = await opened.client.topic(topic).publish({ by, n: first + i + 1 });
        if (!receipt.durable) throw new Error("in memory only");
        const { id, deferred, acked } = receipt;
        return { id, topic, deferred, acked };
      });
      publications.push(...(await Promise.all(calls)));
      return publications.slice(first).map(({ deferred }) => deferred);
    },
    [url, options, topics, count, by] as const,
  );
}

/** The verdicts on all publications of the page, once it has received them all. */
export async function verdicts(page: Page): Promise<(api.Ack & { id: string; topic: string })[]> {
  return page.evaluate(() =>
    Promise.all(publications.map(async ({ id, topic, acked }) => ({ id, topic, ...(await acked) }))),
  );
}

export async function isEmpty(page: Page): Promise<void> {
  const left = () =>
    page.evaluate(async () => [opened.client.outbox.size, (await opened.client.outbox.rows()).length]);
  await expect.poll(left).toEqual([0, 0]);
}

/**
 * Invariant I16 at the end of a test. Each publication is one entry, at the seq of its ack and in
 * the order of its page. The log has no other entries, and the outbox is empty.
 */
export async function conserved(hub: Hub, ...pages: Page[]): Promise<void> {
  const acks = (await Promise.all(pages.map(verdicts))).flat();
  for (const topic of new Set(acks.map(({ topic }) => topic))) {
    const own = acks.filter((ack) => ack.topic === topic);
    const entries = await hubEntries<{ by: string; n: number }>(hub, topic);
    expect(entries.map(({ id, seq }) => `${seq} ${id}`)).toEqual(
      own.toSorted((a, b) => a.seq - b.seq).map(({ id, seq }) => `${seq} ${id}`),
    );
    for (const by of new Set(entries.map(({ data }) => data.by))) {
      const numbers = entries.filter(({ data }) => data.by === by).map(({ data }) => data.n);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }
  }
  for (const page of pages) {
    await isEmpty(page);
    const { errors, deadLetters } = await page.evaluate(() => opened);
    expect({ errors, deadLetters }).toEqual({ errors: [], deadLetters: [] });
    expect(await page.evaluate(() => opened.client.outbox.deadLetters())).toEqual([]);
  }
}
