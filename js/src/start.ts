// A client before its core: attempts to load the wasm until one succeeds, and what is asked meanwhile, kept in order.

import type { CloseReason, Options, Status } from "./api.js";
import { isOnline } from "./browser.js";
import type { Engine } from "./engine.js";
import { LonghaulError } from "./errors.js";
import { wantedTransports } from "./instruct.js";
import { type LoadError, load, loadFailed, Misplaced } from "./load.js";
import { outboxDefaults } from "./options.js";
import { Retry } from "./retry.js";

/** What waits for the core. */
export interface Asked {
  run(engine: Engine): void;
  /** The core will not come, or not soon enough. */
  refuse?: ((error: LonghaulError) => void) | undefined;
  /** The characters of a publication. */
  chars?: number;
  /** What to say where the next attempt fails: its caller is told then, and does not wait on. */
  impatient?: () => LonghaulError;
}

/** What the client does for its start. */
export interface StartRoom {
  make(module: WebAssembly.Module): Promise<Engine>;
  begin(engine: Engine): void;
  status(status: Status): void;
  report(error: LonghaulError): void;
  /** No attempt can go better. */
  failed(error: LonghaulError): void;
}

export class Start {
  readonly #options: Options;
  readonly #room: StartRoom;
  readonly #retry: Retry;
  readonly #misplaced = new Misplaced();
  #asked: Asked[] = [];
  /** Of publications among them. */
  #rows = 0;
  #chars = 0;

  constructor(options: Options, room: StartRoom) {
    this.#options = options;
    this.#room = room;
    this.#retry = new Retry(options.backoff);
    this.#load().catch((error: LonghaulError) => room.failed(error));
  }

  /** Keeps what is asked. Publications are limited as in the outbox. */
  ask(asked: Asked): void {
    const { rowsMax, bytesMax } = { ...outboxDefaults, ...(this.#options.outbox || {}) };
    const { chars } = asked;
    if (chars !== undefined && (this.#rows >= rowsMax || this.#chars + chars > bytesMax)) {
      asked.refuse?.(full());
      return;
    }
    this.#asked.push(asked);
    this.#count([asked]);
    if (asked.impatient !== undefined) this.hurry();
  }

  /** Refuses the publications that wait. */
  withdraw(error: LonghaulError): void {
    this.#refuse(
      ({ chars }) => chars !== undefined,
      () => error,
    );
  }

  /** Makes the next attempt now. */
  hurry(): void {
    this.#retry.hurry();
  }

  close(error: LonghaulError): void {
    this.#retry.close();
    this.#refuse(
      () => true,
      () => error,
    );
  }

  async #load(): Promise<void> {
    const [transport = "websocket"] = wantedTransports(this.#options);
    const engine = await this.#retry.run(
      async (attempt, signal) => {
        this.#room.status({ state: "connecting", attempt, transport });
        const module = await load(this.#options.wasm, attempt, signal);
        // An instance takes memory, and nobody wants it any more.
        signal.throwIfAborted();
        const engine = await this.#room.make(module).catch((cause: Error) => {
          throw loadFailed({ message: String(cause), isAnother: true, cause });
        });
        if (signal.aborted) engine.close();
        return engine;
      },
      ({ cause, next, restMs, isExhausted }) => {
        const error = cause as LoadError;
        if (error.isFinal) return false;
        if (this.#misplaced.isReported(error)) this.#room.report(error);
        this.#refuse(
          ({ impatient }) => impatient !== undefined,
          ({ impatient }) => impatient?.() ?? error,
        );
        this.#room.status(isOnline() ? waiting(error, next, restMs, isExhausted) : { state: "offline" });
        return true;
      },
    );
    const asked = this.#asked;
    this.#asked = [];
    this.#room.begin(engine);
    for (const { run } of asked) run(engine);
    engine.start();
  }

  #refuse(isRefused: (asked: Asked) => boolean, why: (asked: Asked) => LonghaulError): void {
    const asked = this.#asked;
    this.#rows = 0;
    this.#chars = 0;
    this.#asked = asked.filter((each) => !isRefused(each));
    this.#count(this.#asked);
    for (const each of asked.filter(isRefused)) each.refuse?.(why(each));
  }

  #count(asked: readonly Asked[]): void {
    for (const { chars } of asked) {
      if (chars === undefined) continue;
      this.#rows++;
      this.#chars += chars;
    }
  }
}

function waiting(error: LonghaulError, attempt: number, restMs: number, isExhausted: boolean): Status {
  const reason: CloseReason = { code: error.code, message: error.message };
  const status = { state: "waiting" as const, attempt, retryAtMs: Date.now() + restMs, reason };
  return isExhausted ? { ...status, isExhausted } : status;
}

function full(): LonghaulError {
  return new LonghaulError("outbox_full", "as many publications wait for the client's wasm as may", {
    hint: "wait until it is loaded, or raise outbox.rowsMax and outbox.bytesMax",
  });
}
