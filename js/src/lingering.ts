// Keeps subscriptions without listeners until the end of the task: the effects of a component stop
// and start within one task.

export class Lingering<T> {
  readonly #end: (left: T) => void;
  readonly #left = new Set<T>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `end` is called for each, after the task. */
  constructor(end: (left: T) => void) {
    this.#end = end;
  }

  add(left: T): void {
    this.#left.add(left);
    // A microtask is too early: effects of other components and the end of a for-await loop come
    // later.
    this.#timer ??= setTimeout(() => this.flush(), 0);
  }

  /** Ends all of them now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const all = [...this.#left];
    this.#left.clear();
    for (const left of all) this.#end(left);
  }
}
