// What one kind of traffic passes through. When it shuts, everything inside dies; nothing new gets in until it opens.

export class Gate {
  #life = new AbortController();

  get isShut(): boolean {
    return this.#life.signal.aborted;
  }

  /** Aborts when the gate shuts; what enters later has another one. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** What the browser says of a request that it could not send. */
  shut(): void {
    this.#life.abort(new TypeError("Failed to fetch"));
  }

  open(): void {
    if (this.isShut) this.#life = new AbortController();
  }
}
