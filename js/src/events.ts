// The events of a client, and their listeners.

import type { ClientEvents } from "./api.js";
import { LonghaulError } from "./errors.js";
import { checkListener, shown } from "./options.js";

type Listeners = { [K in keyof ClientEvents]: Set<(event: ClientEvents[K]) => void> };

export class Events {
  readonly #listeners: Listeners = {
    status: new Set(),
    deadletter: new Set(),
    outbox: new Set(),
    outboxlost: new Set(),
  };
  /** The app's exceptions go here, with the name of the listener that threw. */
  readonly #threw: (who: string, cause: unknown) => void;
  /** Calls of listeners: an event that a listener causes comes after the present one, for all. */
  readonly #calls: (() => void)[] = [];
  #isEmitting = false;

  constructor(threw: (who: string, cause: unknown) => void) {
    this.#threw = threw;
  }

  on<K extends keyof ClientEvents>(type: K, listener: (event: ClientEvents[K]) => void): () => void {
    const listeners =
      typeof type === "string" && Object.hasOwn(this.#listeners, type) ? this.#listeners[type] : undefined;
    if (listeners === undefined) {
      throw new LonghaulError("event_unknown", `there is no event ${shown(type)}`, {
        hint: `listen to ${Object.keys(this.#listeners).join(" or ")}`,
      });
    }
    checkListener(listener, "on", "pass a function that takes the event");
    // A new function, so that the app's function can listen twice and stop once.
    const entry = (event: ClientEvents[K]) => listener(event);
    listeners.add(entry);
    return () => listeners.delete(entry);
  }

  emit<K extends keyof ClientEvents>(type: K, event: ClientEvents[K]): void {
    const listeners = this.#listeners[type];
    for (const listener of listeners) {
      this.#calls.push(() => {
        if (listeners.has(listener)) listener(event);
      });
    }
    if (this.#isEmitting) return;
    this.#isEmitting = true;
    for (let call = this.#calls.shift(); call !== undefined; call = this.#calls.shift()) {
      try {
        call();
      } catch (cause) {
        this.#threw(`a listener of ${type}`, cause);
      }
    }
    this.#isEmitting = false;
  }
}
