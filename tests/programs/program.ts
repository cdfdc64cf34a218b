// Defines a program: the setup of its world, then calls and faults in order. The numbers in a step
// choose among the things that exist when it runs, so any part of a program is a program as well.

import fc from "fast-check";

/**
 * The client that makes a call: 0, 1 and 4 are tabs of one browser, 2 is in another browser, and 3
 * is a second client in the first tab.
 */
export type ClientNo = 0 | 1 | 2 | 3 | 4;

/** The tab of each of them. */
export const tabOf: Readonly<Record<ClientNo, number>> = { 0: 0, 1: 1, 2: 2, 3: 0, 4: 3 };

/** The browser of each tab. */
export const profiles = ["A", "A", "B", "A"] as const;

export const topics = ["t/0", "t/1", "t/2"] as const;
export const documents = ["d/0", "d/1"] as const;

export type Call =
  | { do: "subscribe"; client: ClientNo; topic: number; from: "live" | "start" | "middle"; passive: boolean }
  | { do: "unsubscribe"; client: ClientNo; which: number }
  | { do: "resubscribe"; client: ClientNo; which: number }
  | { do: "iterate"; client: ClientNo; topic: number; nexts: number }
  | { do: "follow"; client: ClientNo; document: number }
  | { do: "unfollow"; client: ClientNo; which: number }
  | {
      do: "publish";
      client: ClientNo;
      topic: number;
      count: number;
      chars: number;
      key: boolean;
      ttlMs: number;
      abort: boolean;
    }
  | { do: "patch"; client: ClientNo; document: number; member: number; isSound: boolean }
  | { do: "merge"; client: ClientNo; document: number; member: number; count: number; chars: number }
  | { do: "reconnect"; client: ClientNo }
  /** A call in the listener of the next status, or of the next one that is `state`. */
  | {
      do: "inListener";
      client: ClientNo;
      makes: "reconnect" | "publish" | "close" | "follow";
      state?: "connected";
    }
  | { do: "close"; client: ClientNo }
  | { do: "connect"; client: ClientNo }
  | { do: "wipe"; client: ClientNo }
  | { do: "retry"; client: ClientNo; which: number }
  | { do: "discard"; client: ClientNo; which: number; row: boolean }
  | { do: "flush"; client: ClientNo }
  | { do: "rows"; client: ClientNo }
  | { do: "diagnose"; client: ClientNo }
  | { do: "reload"; client: ClientNo }
  | { do: "kill"; client: ClientNo }
  | { do: "worker"; client: ClientNo; kill: boolean }
  | { do: "post"; topic: number };

export const lineFaults = ["offline", "cut", "blackhole", "slow", "websocket", "eventsource"] as const;
export const hubFaults = ["restart", "drain"] as const;
export const networkFaults = [...lineFaults, ...hubFaults] as const;
export const storageFaults = [
  "quota",
  "abort at commit",
  "open hangs",
  "open fails",
  "deleted",
  "versionchange",
] as const;
export const clockFaults = ["jump ahead", "jump back", "sleep"] as const;
export const loadingFaults = ["network", "status", "torn"] as const;
export const tokenFaults = ["token fails", "token hangs"] as const;

export type Fault =
  | { fault: (typeof networkFaults)[number]; client: ClientNo; forMs: number }
  | { fault: (typeof storageFaults)[number]; client: ClientNo; forMs: number }
  | { fault: (typeof clockFaults)[number]; client: ClientNo; forMs: number }
  | {
      fault: "loading";
      client: ClientNo;
      forMs: number;
      how: (typeof loadingFaults)[number];
      times: number;
      file: string;
    }
  | { fault: (typeof tokenFaults)[number]; client: ClientNo; forMs: number };

/** With `afterMs` 0 the step runs in the same turn as the one before. */
export type Step = { afterMs: number } & (Call | Fault);

export interface Program {
  transports: readonly ("websocket" | "eventsource" | "longpoll")[] | undefined;
  latencyMs: number;
  token: boolean;
  deadLetterPolicy: "continue" | "pause";
  resume: boolean;
  /** The rate of every line; undefined: no limit. */
  bytesPerSecond: number | undefined;
  /**
   * The setup of the second browser: its page may be in a sandboxed frame, or its app may have a
   * database with the outbox's name.
   */
  second: "ordinary" | "sandboxed" | "own database";
  steps: readonly Step[];
  /**
   * An addition to a few programs, because chance brings it too seldom or because it takes long.
   */
  also: "nothing" | Special;
}

export type Special = keyof typeof specials;

const client = fc.constantFrom<ClientNo>(0, 0, 0, 1, 2, 2, 3, 4);
const topic = fc.nat(topics.length - 1);
const document = fc.nat(documents.length - 1);
const which = fc.nat(5);
const afterMs = fc.constantFrom(0, 0, 0, 1, 7, 40, 200, 1_500, 12_000, 70_000);

function step<T extends object>(weight: number, parts: { [K in keyof T]: fc.Arbitrary<T[K]> }) {
  return { weight, arbitrary: fc.record({ afterMs, ...parts }) as unknown as fc.Arbitrary<Step> };
}

const is = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);
const rarely = fc.integer({ min: 0, max: 7 }).map((n) => n === 7);
const forMs = fc.constantFrom(30, 400, 5_000, 20_000, 70_000, 200_000);

const steps: fc.Arbitrary<Step> = fc.oneof(
  step(14, {
    do: is("publish"),
    client,
    topic,
    count: fc.constantFrom(1, 1, 1, 2, 5, 40),
    chars: fc.constantFrom(0, 10, 10, 1_000, 9_000),
    key: rarely,
    ttlMs: fc.constantFrom(0, 0, 0, 0, 0, 500, 60_000, 3_600_000),
    abort: rarely,
  }),
  step(10, {
    do: is("subscribe"),
    client,
    topic,
    from: fc.constantFrom("live", "start", "start", "middle"),
    passive: rarely,
  }),
  step(3, { do: is("unsubscribe"), client, which }),
  step(3, { do: is("resubscribe"), client, which }),
  step(3, { do: is("iterate"), client, topic, nexts: fc.nat(6) }),
  step(7, { do: is("follow"), client, document }),
  step(2, { do: is("unfollow"), client, which }),
  step(5, { do: is("patch"), client, document, member: fc.nat(3), isSound: rarely.map((no) => !no) }),
  step(5, {
    do: is("merge"),
    client,
    document,
    member: fc.nat(3),
    count: fc.constantFrom(1, 1, 2, 6),
    // Six of these are more than one frame holds.
    chars: fc.constantFrom(0, 0, 0, 0, 55_000),
  }),
  step(3, { do: is("reconnect"), client }),
  step(3, {
    do: is("inListener"),
    client,
    makes: fc.constantFrom("reconnect", "publish", "close", "follow"),
  }),
  step(2, { do: is("close"), client }),
  step(2, { do: is("connect"), client }),
  step(1, { do: is("wipe"), client }),
  step(1, { do: is("retry"), client, which }),
  step(1, { do: is("discard"), client, which, row: fc.boolean() }),
  step(3, { do: is("flush"), client }),
  step(2, { do: is("rows"), client }),
  step(1, { do: is("diagnose"), client }),
  step(3, { do: is("reload"), client }),
  step(3, { do: is("kill"), client }),
  step(2, { do: is("worker"), client, kill: rarely }),
  step(2, { do: is("post"), topic }),
  step(8, { fault: fc.constantFrom(...networkFaults), client, forMs }),
  step(4, { fault: fc.constantFrom(...storageFaults), client, forMs }),
  step(2, { fault: fc.constantFrom(...clockFaults), client, forMs }),
  step(3, {
    fault: is("loading"),
    client,
    forMs,
    how: fc.constantFrom(...loadingFaults),
    times: fc.integer({ min: 1, max: 3 }),
    file: fc.constantFrom("longhaul_bg", "documents", "longhaul_documents", ""),
  }),
  step(2, { fault: fc.constantFrom(...tokenFaults), client, forMs }),
);

const drawn: fc.Arbitrary<Program> = fc.record({
  transports: fc.constantFrom(
    undefined,
    undefined,
    ["websocket"] as const,
    ["eventsource"] as const,
    ["longpoll"] as const,
  ),
  latencyMs: fc.constantFrom(1, 20, 80),
  token: fc.boolean(),
  deadLetterPolicy: fc.constantFrom("continue", "continue", "pause"),
  resume: fc.boolean(),
  bytesPerSecond: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, undefined, 8_000),
  second: fc.constantFrom("ordinary", "ordinary", "ordinary", "ordinary", "sandboxed", "own database"),
  steps: fc.array(steps, { minLength: 1, maxLength: 22, size: "max" }),
  // This one is last, so that it does not change what a seed draws before it.
  also: fc.oneof(
    { withCrossShrink: true },
    { weight: 38, arbitrary: fc.constant("nothing" as const) },
    { weight: 1, arbitrary: fc.constant("large document" as const) },
    { weight: 1, arbitrary: fc.constant("many publications" as const) },
  ),
});

/** Additions to a program: steps before and after its own, and the world that they need. */
const specials = {
  /** The document is larger than a frame, and its snapshot takes a minute to arrive. */
  "large document": {
    world: { bytesPerSecond: 6_000 },
    before: [],
    after: [
      { afterMs: 0, do: "merge", client: 2, document: 1, member: 0, count: 6, chars: 55_000 },
      { afterMs: 70_000, do: "follow", client: 0, document: 1 },
      { afterMs: 12_000, do: "follow", client: 1, document: 1 },
    ],
  },
  /** More publications than one post holds wait for a connection, whose listener reconnects. */
  "many publications": {
    world: { transports: ["longpoll"] },
    before: [
      {
        afterMs: 0,
        do: "publish",
        client: 3,
        topic: 2,
        count: 100,
        chars: 1_000,
        key: false,
        ttlMs: 3_600_000,
        abort: false,
      },
      { afterMs: 0, do: "inListener", client: 3, makes: "reconnect", state: "connected" },
    ],
    after: [],
  },
} as const satisfies Record<
  string,
  { world: Partial<Program>; before: readonly Step[]; after: readonly Step[] }
>;

/** The program with its addition. */
function complete(program: Program): Program {
  if (program.also === "nothing") return program;
  const { world, before, after } = specials[program.also];
  return { ...program, ...world, steps: [...before, ...program.steps, ...after] };
}

export const programs: fc.Arbitrary<Program> = drawn.map(complete);

/** How many numbers a call uses up for what it publishes. */
export function publicationsOf(call: Call): number {
  if ("count" in call) return call.count;
  return call.do === "patch" || call.do === "inListener" ? 1 : 0;
}

/** A line of a program as people read it. */
export function lineOf(step: Step): string {
  const { afterMs, ...rest } = step;
  return `${afterMs === 0 ? "at once" : `after ${afterMs} ms`}: ${Object.entries(rest)
    .filter(([, value]) => value !== false)
    .map(([name, value]) => (name === "do" || name === "fault" ? value : `${name} ${value}`))
    .join(", ")}`;
}
