// Virtual time of one program: tasks in the order of their moments, one macrotask of Node's after each, so that
// every promise of a task has settled before the next task. Nothing else moves the clock.

/** Node's own, before fake-indexeddb is given ours. */
const nextMacrotask = setImmediate;

export class Task {
  readonly atMs: number;
  readonly no: number;
  run: () => void;

  constructor(atMs: number, no: number, run: () => void) {
    this.atMs = atMs;
    this.no = no;
    this.run = run;
  }

  /** Never runs, and holds nothing that it would have needed. */
  cancel(): void {
    this.run = nothing;
  }
}

function nothing(): void {}

/** What one step of storage costs, ms. Chosen: some hundred steps a transaction make some ten ms. */
const storageStepMs = 0.05;

export class World {
  /** Since the start of the program. */
  nowMs = 0;
  readonly random: () => number;
  /** What no code of the shipped files may do: an exception that nobody caught. */
  readonly uncaught: unknown[] = [];
  tasksRun = 0;
  #heap: Task[] = [];
  #lastNo = 0;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  /** Runs `run` after `delayMs`, behind what is due at the same moment. */
  after(delayMs: number, run: () => void): Task {
    const task = new Task(this.nowMs + Math.max(0, delayMs), ++this.#lastNo, run);
    push(this.#heap, task);
    return task;
  }

  /** A step of a database: what `setImmediate` is to fake-indexeddb. */
  readonly storageStep = (run: () => void): void => {
    this.after(storageStepMs, run);
  };

  /** Lets time pass until `isOver`, or until the moment `untilMs`. Whether it is over. */
  async pass(untilMs: number, isOver: () => boolean = () => false): Promise<boolean> {
    await this.settle();
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return false;
      }
      pop(this.#heap);
      if (next.run === nothing) continue;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.tasksRun += 1;
      try {
        next.run();
      } catch (error) {
        this.uncaught.push(error);
      }
      await this.settle();
    }
    return true;
  }

  /** Promises that can settle have settled. */
  settle(): Promise<void> {
    return new Promise((resolve) => nextMacrotask(resolve));
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.no < b.no);
}

function push(heap: Task[], task: Task): void {
  let at = heap.push(task) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Task;
    if (!isBefore(task, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = task;
}

function pop(heap: Task[]): void {
  const last = heap.pop() as Task;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = heap[child + 1];
    if (right !== undefined && isBefore(right, heap[child] as Task)) child += 1;
    if (!isBefore(heap[child] as Task, last)) break;
    heap[at] = heap[child] as Task;
    at = child;
  }
  heap[at] = last;
}

/** Numbers in [0, 1). Source: mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
