// What nobody listens to any more stays to the end of the task: effects of components stop and start again within one.

export class Lingering<T> {
  readonly #end: (left: T) => void;
  readonly #left = new Set<T>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `end` is called once the task is over. */
  constructor(end: (left: T) => void) {
    this.#end = end;
  }

  add(left: T): void {
    this.#left.add(left);
    // A microtask would be too early: those of other components come after it, and a for-await loop ends in one.
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
