// Web Locks of one profile. It has exclusive locks only: the package asks for no others.

import type { Page } from "./page.js";

interface LockRequest {
  readonly page: Page;
  readonly name: string;
  /** Called in a task of the page. */
  grant(): void;
}

interface HeldLock extends LockRequest {
  /** The promise of the request rejects. */
  stolen(): void;
}

type Granted = (lock: { name: string } | null) => unknown;
interface LockOptions {
  ifAvailable?: boolean;
  steal?: boolean;
  signal?: AbortSignal;
}

export class Locks {
  readonly #held = new Map<string, HeldLock>();
  #waiting: LockRequest[] = [];

  /** The page's `navigator.locks`. */
  of(page: Page): { request(name: string, ...rest: unknown[]): Promise<unknown> } {
    return {
      request: (name, ...rest) => {
        const [options, granted] = (rest.length > 1 ? rest : [{}, rest[0]]) as [LockOptions, Granted];
        return this.#request(page, name, options, granted);
      },
    };
  }

  /** Ends the locks and the requests of a page that is gone. */
  drop(page: Page): void {
    this.#waiting = this.#waiting.filter((request) => request.page !== page);
    for (const [name, held] of this.#held) {
      if (held.page === page) this.#release(name, held);
    }
  }

  heldBy(page: Page): number {
    return [...this.#held.values(), ...this.#waiting].filter((request) => request.page === page).length;
  }

  #request(
    page: Page,
    name: string,
    { ifAvailable = false, steal = false, signal }: LockOptions,
    granted: Granted,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const held: HeldLock = {
        page,
        name,
        grant: () =>
          page.task(0, () => {
            signal?.removeEventListener("abort", aborted);
            Promise.resolve()
              .then(() => granted({ name }))
              .then(resolve, reject)
              .finally(() => this.#release(name, held));
          }),
        stolen: () => page.task(0, () => reject(new DOMException("stolen", "AbortError"))),
      };
      const aborted = (): void => {
        this.#waiting = this.#waiting.filter((request) => request !== held);
        if (this.#held.get(name) !== held) reject(signal?.reason);
      };
      const holder = this.#held.get(name);
      if (steal) {
        holder?.stolen();
        this.#held.set(name, held);
        held.grant();
      } else if (holder === undefined && !this.#waiting.some((request) => request.name === name)) {
        this.#held.set(name, held);
        held.grant();
      } else if (ifAvailable) {
        page.task(0, () => {
          Promise.resolve()
            .then(() => granted(null))
            .then(resolve, reject);
        });
      } else {
        signal?.addEventListener("abort", aborted);
        this.#waiting.push(held);
      }
    });
  }

  #release(name: string, held: HeldLock): void {
    if (this.#held.get(name) !== held) return;
    this.#held.delete(name);
    const next = this.#waiting.find((request) => request.name === name) as HeldLock | undefined;
    if (next === undefined) return;
    this.#waiting = this.#waiting.filter((request) => request !== next);
    this.#held.set(name, next);
    next.grant();
  }
}
