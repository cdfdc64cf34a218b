// The setup of storage tests: a page's outbox over a core that records calls, and another tab.

import { afterEach, beforeEach, onTestFinished } from "vitest";
import { LonghaulError } from "../src/errors.js";
import type { Row } from "../src/rows.js";
import { Scheduler } from "../src/scheduler.js";
import { Storage, type StorageDependencies } from "../src/storage.js";
import type { TabMessage } from "../src/tabs.js";
import type { Core } from "../src/wasm/longhaul.js";
import { createVirtualClock } from "./index.js";

export { memoryRows } from "../src/boundary.js";

export const base = "https://hub.test/";

/** A core that answers questions from its fields, and records all other calls. */
export class RecordingCore {
  calls: unknown[][] = [];
  name = "";
  rowCount = 0;
  idle = false;
  stopped = false;
  /** The last row that a wipe removes; undefined for a wipe that fails. */
  wiped: number | undefined = 0;
  stores: { rows: [number, Row][]; deadLetters: [number, Row][] } = { rows: [], deadLetters: [] };
  kepts = new Map<string, unknown[]>();

  constructor() {
    const kinds = [
      "Added",
      "Acked",
      "Dead",
      "OutcomeStored",
      "Cancelled",
      "Renamed",
      "DeadLetterTaken",
      "Wiped",
    ];
    for (const name of [...kinds.map((kind) => `tab${kind}`), "cancel", "leader"]) {
      Object.assign(this, { [name]: (...args: unknown[]) => void this.calls.push([name, ...args]) });
    }
  }

  producer = (): string => this.name;
  publicName = (name: string): string => `public-${name}`;
  outboxRows = (): number => this.rowCount;
  isFlushed = (): boolean => this.idle;
  isStopped = (): boolean => this.stopped;
  stored = async (areDeadLetters: boolean): Promise<unknown> =>
    this.stores[areDeadLetters ? "deadLetters" : "rows"];
  wipe = async (): Promise<number | undefined> => this.wiped;
  kept = async (topic: string): Promise<unknown> => this.kepts.get(topic);

  keep = async (topic: string, document: unknown[] | undefined): Promise<void> => {
    if (document === undefined) this.kepts.delete(topic);
    else this.kepts.set(topic, ["partition", ...document]);
  };

  takeDeadLetter = async (row: number, isWanted: boolean): Promise<unknown> => {
    const found = this.stores.deadLetters.find(([n]) => n === row);
    this.stores.deadLetters = this.stores.deadLetters.filter((deadLetter) => deadLetter !== found);
    return found && [isWanted ? 90 : 0, found[1][4]];
  };
}

export interface Scene {
  readonly core: RecordingCore;
  readonly scheduler: Scheduler;
  readonly storage: Storage;
  readonly published: unknown[][];
}

export function scene(
  dependencies: Partial<StorageDependencies> = {},
  database: string | undefined = "db",
): Scene {
  const core = new RecordingCore();
  core.name = "p";
  const published: unknown[][] = [];
  const scheduler = new Scheduler(
    (_, cause) => {
      throw cause;
    },
    () => storage.settle(),
  );
  scheduler.core = core as unknown as Core;
  const publications = { attempts: () => 0, volatile: () => [], has: () => false, discard: () => {} };
  const storage: Storage = new Storage(database, base, {
    publications: publications as unknown as StorageDependencies["publications"],
    scheduler,
    publish: async (...call) => published.push(call),
    token: async () => "shared",
    hasToken: false,
    tokenUrl: undefined,
    isPausing: false,
    expedite: () => scheduler.settle(),
    isStuck: () => false,
    stuck: () => new LonghaulError("not_flushed", "stuck"),
    changed: () => {},
    deadLetter: () => {},
    ...dependencies,
  });
  onTestFinished(() => storage.close());
  scheduler.settle();
  return { core, scheduler, storage, published };
}

/** The clock of all tests in a file that imports this. Only they advance it. */
export const clock = createVirtualClock();
let undo = (): void => {};

beforeEach(() => {
  undo = clock.install();
});

afterEach(async () => {
  await clock.settle();
  undo();
});

/** Another tab of a partition: the messages that it gets, and a function to send some. */
export function neighbour(name: string): {
  received: TabMessage[];
  send(...messages: unknown[]): Promise<void>;
} {
  const channel = new BroadcastChannel(`longhaul:outbox:${name}`);
  const received: TabMessage[] = [];
  channel.onmessage = ({ data }: MessageEvent<TabMessage[]>) => received.push(...data);
  onTestFinished(() => channel.close());
  return {
    received,
    send(...messages) {
      channel.postMessage(messages);
      return clock.settle();
    },
  };
}
