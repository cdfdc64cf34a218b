// The virtual time of one program. It runs tasks in the order of their times. One macrotask of Node
// follows each task, so all promises of a task settle before the next one. Nothing else moves the
// clock.

/** Node's `setImmediate`; the program replaces the global one for fake-indexeddb. */
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

  /** Keeps the task from running, and drops the closure. */
  cancel(): void {
    this.run = nothing;
  }
}

function nothing(): void {}

/** The time of one step of storage, ms. Chosen: a transaction of 100 steps takes 5 ms. */
const storageStepMs = 0.05;

export class World {
  /** The time since the program's start, ms. */
  nowMs = 0;
  readonly random: () => number;
  /** Exceptions that nobody caught. The shipped files must not cause any. */
  readonly uncaught: unknown[] = [];
  tasksRun = 0;
  #heap: Task[] = [];
  #lastNo = 0;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  /** Runs `run` after `delayMs`, behind other tasks of that time. */
  after(delayMs: number, run: () => void): Task {
    const task = new Task(this.nowMs + Math.max(0, delayMs), ++this.#lastNo, run);
    push(this.#heap, task);
    return task;
  }

  /** Runs a step of a database. fake-indexeddb uses it as `setImmediate`. */
  readonly storageStep = (run: () => void): void => {
    this.after(storageStepMs, run);
  };

  /** Lets time pass until `isOver` or the time `untilMs`. Resolves with the last `isOver`. */
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

  /** Resolves when all promises that can settle have settled. */
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
