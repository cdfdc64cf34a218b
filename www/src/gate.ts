// A gate for one kind of traffic. When it shuts, it ends the traffic and blocks new traffic until
// it opens.

export class Gate {
  #life = new AbortController();

  get isShut(): boolean {
    return this.#life.signal.aborted;
  }

  /** Aborts when the gate shuts. Later traffic gets a new signal. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** Aborts with the browser's error for a request that it could not send. */
  shut(): void {
    this.#life.abort(new TypeError("Failed to fetch"));
  }

  open(): void {
    if (this.isShut) this.#life = new AbortController();
  }
}
