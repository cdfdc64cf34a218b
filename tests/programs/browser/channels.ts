// Broadcast channels of one profile. A message reaches every other channel of the same name, each
// in a task of its page. Also message ports within one page.

import type { Page } from "./page.js";

interface Channel {
  readonly page: Page;
  readonly name: string;
  receive(data: unknown, from: Page): void;
}

/** The longest delay of a tab message, ms, and how many are slow. Chosen: as in a busy tab. */
const slowMs = 40;
const slowRate = 0.1;

export class Channels {
  readonly #open = new Set<Channel>();

  /** The page's constructor. */
  of(page: Page): typeof BroadcastChannel {
    const open = this.#open;
    class FakeBroadcastChannel extends EventTarget {
      onmessage: ((event: MessageEvent) => void) | null = null;
      readonly name: string;
      readonly #channel: Channel;
      /** When the last message of each page arrives. */
      readonly #lastMs = new Map<Page, number>();

      constructor(name: string) {
        super();
        this.name = name;
        this.#channel = {
          page,
          name,
          receive: (data, from) => {
            const { nowMs, random } = page.world;
            const atMs = nowMs + random() * (random() < slowRate ? slowMs : 1);
            // Messages between two pages keep their order; those among three pages do not.
            const inOrderMs = Math.max(atMs, this.#lastMs.get(from) ?? 0);
            this.#lastMs.set(from, inOrderMs);
            page.task(inOrderMs - nowMs, () => {
              if (!open.has(this.#channel)) return;
              const event = new MessageEvent("message", { data });
              this.onmessage?.(event);
              this.dispatchEvent(event);
            });
          },
        };
        open.add(this.#channel);
      }

      postMessage(data: unknown): void {
        if (!open.has(this.#channel)) throw new DOMException("the channel is closed", "InvalidStateError");
        for (const other of open) {
          if (other !== this.#channel && other.name === this.name) other.receive(structuredClone(data), page);
        }
      }

      close(): void {
        open.delete(this.#channel);
      }
    }
    return FakeBroadcastChannel as unknown as typeof BroadcastChannel;
  }

  drop(page: Page): void {
    for (const channel of this.#open) if (channel.page === page) this.#open.delete(channel);
  }

  openOf(page: Page): number {
    return [...this.#open].filter((channel) => channel.page === page).length;
  }
}

interface Port {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(data: unknown): void;
  close(): void;
}

/** The page's MessageChannel. It keeps port 1; messages from port 2 arrive in tasks of the page. */
export function portsOf(page: Page): new () => { port1: Port; port2: Port } {
  return class {
    readonly port1: Port;
    readonly port2: Port;

    constructor() {
      let isOpen = true;
      const close = (): void => {
        isOpen = false;
      };
      const kept: Port = { onmessage: null, postMessage() {}, close };
      const postMessage = (data: unknown): void => {
        page.task(0, () => {
          if (isOpen) kept.onmessage?.({ data: structuredClone(data) });
        });
      };
      this.port1 = kept;
      this.port2 = { onmessage: null, postMessage, close };
    }
  };
}
