// The events of an engine, as its client gets them.

import type { DeadLetter, Status } from "./api.js";
import type { LonghaulError } from "./errors.js";

/** Called outside of a turn of the core. */
export interface EngineEvents {
  status(status: Status): void;
  deadLetter(deadLetter: DeadLetter): void;
  outboxLost(rows: number): void;
  outboxSize(size: number): void;
  /** The core has read changes of a document from storage. */
  restored(topic: string): void;
  error(error: LonghaulError): void;
  /** The engine has crashed too often, and does not start again. */
  stopped(error: LonghaulError): void;
}
