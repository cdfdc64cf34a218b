// Where the subscriptions of a tab stand, kept over a reload. Owns the storage and its limits; streams say what was handed over.

import type { Options } from "./api.js";
import { keepText, keptText, listen } from "./browser.js";
import type { Stream } from "./stream.js";

/** Chosen: more than a page follows, and a few KiB. The oldest go first. */
const topicsMax = 256;

/** Chosen: as long as the memory of what transport got through; most logs are gone by then, and that is told. */
const keptMs = 24 * 60 * 60 * 1000;

/** Between writes, ms. Chosen: what may come again after the tab has crashed. */
const restMs = 1_000;

/** As rule C4 writes it: what others have put there is not sent. */
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

  /** Where a topic's live stream begins. From now on its place is kept. */
  begin(stream: Stream): string {
    this.#streams.set(stream.topic, stream);
    stream.advanced = () => {
      // The first place is noted before a message can wait for its consumer.
      if (!this.#kept.has(stream.topic)) this.#note(stream);
      this.#timer ??= setTimeout(this.#write, restMs);
    };
    return this.#kept.get(stream.topic)?.[1] ?? "live";
  }

  /** Nobody wants the topic any more. */
  forget(topic: string): void {
    this.#streams.delete(topic);
    this.#kept.delete(topic);
    this.#timer ??= setTimeout(this.#write, restMs);
  }

  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const stream of this.#streams.values()) this.#note(stream);
    // Where it can't be kept the next load begins live.
    keepText("sessionStorage", this.#key, JSON.stringify([...this.#kept.values()].slice(-topicsMax)));
  }

  /** The last write. */
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
