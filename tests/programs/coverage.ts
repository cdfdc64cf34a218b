// Counts which call met which fault: the program made the call while the fault was active.

export class Coverage {
  readonly #calls = new Map<string, number>();
  readonly #faults = new Map<string, number>();
  readonly #met = new Map<string, number>();

  call(name: string, faults: readonly string[]): void {
    add(this.#calls, name);
    for (const fault of faults) add(this.#met, `${name} / ${fault}`);
  }

  strike(fault: string): void {
    add(this.#faults, fault);
  }

  /** Adds the counts of another process. */
  join(other: CoverageData): void {
    for (const [into, from] of [
      [this.#calls, other.calls],
      [this.#faults, other.faults],
      [this.#met, other.met],
    ] as const) {
      for (const [name, count] of from) add(into, name, count);
    }
  }

  get data(): CoverageData {
    return { calls: [...this.#calls], faults: [...this.#faults], met: [...this.#met] };
  }

  /** The pairs that no program has brought together. */
  missing(calls: readonly string[], faults: readonly string[]): string[] {
    const pairs = calls.flatMap((call) => faults.map((fault) => `${call} / ${fault}`));
    return pairs.filter((pair) => !this.#met.has(pair));
  }
}

export interface CoverageData {
  readonly calls: readonly (readonly [string, number])[];
  readonly faults: readonly (readonly [string, number])[];
  readonly met: readonly (readonly [string, number])[];
}

function add(counts: Map<string, number>, name: string, count = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
