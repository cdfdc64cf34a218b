// Keeps the positions of a tab's subscriptions over a reload. Owns that storage and its limits.

import type { Options } from "./api.js";
import { keepText, keptText, listen } from "./browser.js";
import type { Stream } from "./stream.js";

/** Chosen: more than a page follows, and only a few KiB. The oldest leave first. */
const topicsMax = 256;

/**
 * Chosen: as for the transport memory. Most hubs have trimmed their logs by then, and report a gap.
 */
const keptMs = 24 * 60 * 60 * 1000;

/** The time between writes, ms. Chosen: after a crash of the tab, so much may come again. */
const writeDelayMs = 1_000;

/** A cursor (rule C4). The client must not send what other code has stored there. */
const cursorForm = /^[0-9a-f]{16}\/\d{1,16}\/\d{1,15}$/;

type Kept = [topic: string, cursor: string, atMs: number];

export class Resume {
  readonly #key: string;
  readonly #kept = new Map<string, Kept>();
  readonly #streams = new Map<string, Stream>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #write = (): void => this.write();
  readonly #mute: () => void;

  constructor(base: string, resume: Options["resume"]) {
    this.#key = `longhaul:resume:${base}${typeof resume === "object" ? `:${resume.key}` : ""}`;
    for (const each of this.#read()) {
      const [topic, cursor, atMs] = each;
      if (cursorForm.test(cursor) && atMs > Date.now() - keptMs) this.#kept.set(topic, each);
    }
    this.#mute = listen("pagehide", this.#write);
  }

  /** The position at which a topic's live stream begins. Keeps its position from now on. */
  begin(stream: Stream): string {
    this.#streams.set(stream.topic, stream);
    stream.advanced = () => {
      // Record the first position before a message can wait for its consumer.
      if (!this.#kept.has(stream.topic)) this.#note(stream);
      this.#timer ??= setTimeout(this.#write, writeDelayMs);
    };
    return this.#kept.get(stream.topic)?.[1] ?? "live";
  }

  /** The topic has no subscription any more. */
  forget(topic: string): void {
    this.#streams.delete(topic);
    this.#kept.delete(topic);
    this.#timer ??= setTimeout(this.#write, writeDelayMs);
  }

  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const stream of this.#streams.values()) this.#note(stream);
    // Without storage the next page load begins live.
    keepText("sessionStorage", this.#key, JSON.stringify([...this.#kept.values()].slice(-topicsMax)));
  }

  /** Writes the last time. */
  close(): void {
    this.write();
    this.#mute();
  }

  #note({ topic, cursor }: Stream): void {
    if (cursor === undefined) return;
    this.#kept.delete(topic);
    this.#kept.set(topic, [topic, cursor, Date.now()]);
  }

  #read(): Kept[] {
    try {
      const kept = JSON.parse(keptText("sessionStorage", this.#key) ?? "[]");
      return Array.isArray(kept) ? (kept.filter(Array.isArray) as Kept[]) : [];
    } catch {
      return [];
    }
  }
}
