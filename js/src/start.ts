// A client before its core: loads the wasm, and keeps the calls of the app in order until then.

import type { CloseReason, Options, Status } from "./api.js";
import { isOnline } from "./browser.js";
import { wantedTransports } from "./core-options.js";
import type { Engine } from "./engine.js";
import { LonghaulError } from "./errors.js";
import { forget, type LoadError, load, loadFailed, MisplacedFiles } from "./load.js";
import { outboxDefaults } from "./options.js";
import { type Failure, Retry } from "./retry.js";

/** A call of the app that waits for the engine. */
export interface EngineTask {
  run(engine: Engine): void;
  /** Called instead of `run` if the engine does not come, or not soon enough. */
  reject?: ((error: LonghaulError) => void) | undefined;
  /** The number of characters, if the call is a publication. */
  chars?: number;
  /** The error for a call that does not wait longer than the next failed attempt. */
  impatient?: () => LonghaulError;
}

export interface StartDependencies {
  make(module: WebAssembly.Module): Promise<Engine>;
  begin(engine: Engine): void;
  status(status: Status): void;
  report(error: LonghaulError): void;
  /** No other attempt can succeed. */
  failed(error: LonghaulError): void;
}

/**
 * An impatient task waits this long for the wasm, ms. Chosen: a user waits so long for a log-out.
 */
const impatientMsMax = 15_000;

export class Start {
  readonly #options: Options;
  readonly #dependencies: StartDependencies;
  readonly #retry: Retry;
  readonly #misplaced = new MisplacedFiles();
  #tasks: EngineTask[] = [];
  /** The number of publications that wait, and their characters. */
  #rows = 0;
  #chars = 0;

  constructor(options: Options, dependencies: StartDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#retry = new Retry(options.backoff);
  }

  /** Loads the wasm. */
  begin(): void {
    this.#load().catch((error: LonghaulError) => this.#dependencies.failed(error));
  }

  /** Keeps a task. The limits of the outbox apply to publications. */
  add(task: EngineTask): void {
    const { rowsMax, bytesMax } = { ...outboxDefaults, ...(this.#options.outbox || {}) };
    const { chars } = task;
    if (chars !== undefined && (this.#rows >= rowsMax || this.#chars + chars > bytesMax)) {
      task.reject?.(full());
      return;
    }
    const { impatient } = task;
    const kept = impatient === undefined ? task : this.#limited(task, impatient);
    this.#tasks.push(kept);
    this.#count([kept]);
    if (impatient !== undefined) this.expedite();
  }

  /** The task with a time limit: an attempt may hang for minutes without a failure. */
  #limited(task: EngineTask, error: () => LonghaulError): EngineTask {
    const timer = setTimeout(() => this.#reject((each) => each === limited, error), impatientMsMax);
    const limited: EngineTask = {
      ...task,
      run: (engine) => {
        clearTimeout(timer);
        task.run(engine);
      },
      reject: (cause) => {
        clearTimeout(timer);
        task.reject?.(cause);
      },
    };
    return limited;
  }

  /** Rejects the publications that wait. */
  withdraw(error: LonghaulError): void {
    this.#reject(
      ({ chars }) => chars !== undefined,
      () => error,
    );
  }

  /** Makes the next attempt now. */
  expedite(): void {
    this.#retry.expedite();
  }

  close(error: LonghaulError): void {
    this.#retry.close();
    this.#reject(
      () => true,
      () => error,
    );
  }

  async #load(): Promise<void> {
    const [transport = "websocket"] = wantedTransports(this.#options);
    const engine = await this.#retry.run(
      async (attempt, signal) => {
        this.#dependencies.status({ state: "connecting", attempt, transport });
        const module = await load(this.#options.wasm, attempt, signal);
        // The client may be closed by now, and an instance takes memory.
        signal.throwIfAborted();
        const engine = await this.#dependencies.make(module).catch((cause: Error) => {
          forget();
          throw loadFailed({ message: String(cause), isAnother: true, cause });
        });
        if (signal.aborted) engine.close();
        return engine;
      },
      (failure) => {
        const error = failure.cause as LoadError;
        if (error.isFinal) return false;
        if (this.#misplaced.isReported(error)) this.#dependencies.report(error);
        this.#reject(
          ({ impatient }) => impatient !== undefined,
          ({ impatient }) => impatient?.() ?? error,
        );
        this.#dependencies.status(isOnline() ? waiting(error, failure) : { state: "offline" });
        return true;
      },
    );
    const tasks = this.#tasks;
    this.#tasks = [];
    this.#dependencies.begin(engine);
    for (const { run } of tasks) run(engine);
    engine.start();
  }

  #reject(isRejected: (task: EngineTask) => boolean, errorOf: (task: EngineTask) => LonghaulError): void {
    const tasks = this.#tasks;
    this.#rows = 0;
    this.#chars = 0;
    this.#tasks = tasks.filter((task) => !isRejected(task));
    this.#count(this.#tasks);
    for (const task of tasks.filter(isRejected)) task.reject?.(errorOf(task));
  }

  #count(tasks: readonly EngineTask[]): void {
    for (const { chars } of tasks) {
      if (chars === undefined) continue;
      this.#rows++;
      this.#chars += chars;
    }
  }
}

function waiting(error: LoadError, { next: attempt, delayMs, isExhausted }: Failure): Status {
  const reason: CloseReason = { code: "wasm_load_failed", message: error.message };
  const status = { state: "waiting" as const, attempt, retryAtMs: Date.now() + delayMs, reason };
  return isExhausted ? { ...status, isExhausted } : status;
}

function full(): LonghaulError {
  return new LonghaulError("outbox_full", "too many publications wait for the client's wasm", {
    hint: "wait until it is loaded, or raise outbox.rowsMax and outbox.bytesMax",
  });
}
