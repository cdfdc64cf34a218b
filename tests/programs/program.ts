// What a program is: how its world is set up, and the calls and faults one after the other. Numbers in a step choose
// among what is there when it runs, so that any shorter program is one as well.

import fc from "fast-check";

/** Which client a step is about: 0, 1 and 4 are tabs of one browser, 2 is another browser, 3 a second client in the first tab. */
export type Who = 0 | 1 | 2 | 3 | 4;

/** The tab of each of them. */
export const tabOf: Readonly<Record<Who, number>> = { 0: 0, 1: 1, 2: 2, 3: 0, 4: 3 };

/** The browser of each tab. */
export const profiles = ["A", "A", "B", "A"] as const;

export const topics = ["t/0", "t/1", "t/2"] as const;
export const documents = ["d/0", "d/1"] as const;

export type Call =
  | { do: "subscribe"; who: Who; topic: number; from: "live" | "start" | "middle"; passive: boolean }
  | { do: "unsubscribe"; who: Who; which: number }
  | { do: "resubscribe"; who: Who; which: number }
  | { do: "iterate"; who: Who; topic: number; nexts: number }
  | { do: "follow"; who: Who; document: number }
  | { do: "unfollow"; who: Who; which: number }
  | {
      do: "publish";
      who: Who;
      topic: number;
      count: number;
      chars: number;
      key: boolean;
      ttlMs: number;
      abort: boolean;
    }
  | { do: "patch"; who: Who; document: number; place: number; isSound: boolean }
  | { do: "merge"; who: Who; document: number; place: number; count: number; chars: number }
  | { do: "reconnect"; who: Who }
  /** Within the listener of the next status, or of the next one that is `state`. */
  | {
      do: "inListener";
      who: Who;
      makes: "reconnect" | "publish" | "close" | "follow";
      state?: "connected";
    }
  | { do: "close"; who: Who }
  | { do: "connect"; who: Who }
  | { do: "wipe"; who: Who }
  | { do: "retry"; who: Who; which: number }
  | { do: "discard"; who: Who; which: number; row: boolean }
  | { do: "flush"; who: Who }
  | { do: "rows"; who: Who }
  | { do: "diagnose"; who: Who }
  | { do: "reload"; who: Who }
  | { do: "kill"; who: Who }
  | { do: "worker"; who: Who; kill: boolean }
  | { do: "post"; topic: number };

export const networkFaults = [
  "offline",
  "cut",
  "blackhole",
  "slow",
  "websocket",
  "eventsource",
  "restart",
  "drain",
] as const;
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
  | { fault: (typeof networkFaults)[number]; who: Who; forMs: number }
  | { fault: (typeof storageFaults)[number]; who: Who; forMs: number }
  | { fault: (typeof clockFaults)[number]; who: Who; forMs: number }
  | {
      fault: "loading";
      who: Who;
      forMs: number;
      how: (typeof loadingFaults)[number];
      times: number;
      file: string;
    }
  | { fault: (typeof tokenFaults)[number]; who: Who; forMs: number };

/** `afterMs` 0: in the same turn as the step before. */
export type Step = { afterMs: number } & (Call | Fault);

export interface Program {
  transports: readonly ("websocket" | "eventsource" | "longpoll")[] | undefined;
  latencyMs: number;
  token: boolean;
  poison: "continue" | "pause";
  resume: boolean;
  /** Of everybody's line; undefined: no limit. */
  bytesPerSecond: number | undefined;
  /** What is special of the second browser: its page is in a sandboxed frame, or its app has a database of the outbox's name. */
  second: "ordinary" | "sandboxed" | "own database";
  steps: readonly Step[];
  /** What few programs do besides, because chance alone brings it too seldom, or because it takes long. */
  also: "nothing" | Special;
}

export type Special = keyof typeof specials;

const who = fc.constantFrom<Who>(0, 0, 0, 1, 2, 2, 3, 4);
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
    who,
    topic,
    count: fc.constantFrom(1, 1, 1, 2, 5, 40),
    chars: fc.constantFrom(0, 10, 10, 1_000, 9_000),
    key: rarely,
    ttlMs: fc.constantFrom(0, 0, 0, 0, 0, 500, 60_000, 3_600_000),
    abort: rarely,
  }),
  step(10, {
    do: is("subscribe"),
    who,
    topic,
    from: fc.constantFrom("live", "start", "start", "middle"),
    passive: rarely,
  }),
  step(3, { do: is("unsubscribe"), who, which }),
  step(3, { do: is("resubscribe"), who, which }),
  step(3, { do: is("iterate"), who, topic, nexts: fc.nat(6) }),
  step(7, { do: is("follow"), who, document }),
  step(2, { do: is("unfollow"), who, which }),
  step(5, { do: is("patch"), who, document, place: fc.nat(3), isSound: rarely.map((no) => !no) }),
  step(5, {
    do: is("merge"),
    who,
    document,
    place: fc.nat(3),
    count: fc.constantFrom(1, 1, 2, 6),
    // Six such are more than a frame holds.
    chars: fc.constantFrom(0, 0, 0, 0, 55_000),
  }),
  step(3, { do: is("reconnect"), who }),
  step(3, { do: is("inListener"), who, makes: fc.constantFrom("reconnect", "publish", "close", "follow") }),
  step(2, { do: is("close"), who }),
  step(2, { do: is("connect"), who }),
  step(1, { do: is("wipe"), who }),
  step(1, { do: is("retry"), who, which }),
  step(1, { do: is("discard"), who, which, row: fc.boolean() }),
  step(3, { do: is("flush"), who }),
  step(2, { do: is("rows"), who }),
  step(1, { do: is("diagnose"), who }),
  step(3, { do: is("reload"), who }),
  step(3, { do: is("kill"), who }),
  step(2, { do: is("worker"), who, kill: rarely }),
  step(2, { do: is("post"), topic }),
  step(8, { fault: fc.constantFrom(...networkFaults), who, forMs }),
  step(4, { fault: fc.constantFrom(...storageFaults), who, forMs }),
  step(2, { fault: fc.constantFrom(...clockFaults), who, forMs }),
  step(3, {
    fault: is("loading"),
    who,
    forMs,
    how: fc.constantFrom(...loadingFaults),
    times: fc.integer({ min: 1, max: 3 }),
    file: fc.constantFrom("longhaul_bg", "documents", "longhaul_documents", ""),
  }),
  step(2, { fault: fc.constantFrom(...tokenFaults), who, forMs }),
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
  poison: fc.constantFrom("continue", "continue", "pause"),
  resume: fc.boolean(),
  bytesPerSecond: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, undefined, 8_000),
  second: fc.constantFrom("ordinary", "ordinary", "ordinary", "ordinary", "sandboxed", "own database"),
  steps: fc.array(steps, { minLength: 1, maxLength: 22, size: "max" }),
  // The last: what stands before it is the same whatever this is.
  also: fc.oneof(
    { withCrossShrink: true },
    { weight: 38, arbitrary: fc.constant("nothing" as const) },
    { weight: 1, arbitrary: fc.constant("large document" as const) },
    { weight: 1, arbitrary: fc.constant("many publications" as const) },
  ),
});

/** Steps before and after those of a program, and what they need of its world. */
const specials = {
  /** Followers of a document that is larger than a frame, whose snapshot takes a minute to arrive. */
  "large document": {
    world: { bytesPerSecond: 6_000 },
    before: [],
    after: [
      { afterMs: 0, do: "merge", who: 2, document: 1, place: 0, count: 6, chars: 55_000 },
      { afterMs: 70_000, do: "follow", who: 0, document: 1 },
      { afterMs: 12_000, do: "follow", who: 1, document: 1 },
    ],
  },
  /** More publications than a post takes wait for a connection, whose listener reconnects. */
  "many publications": {
    world: { transports: ["longpoll"] },
    before: [
      {
        afterMs: 0,
        do: "publish",
        who: 3,
        topic: 2,
        count: 100,
        chars: 1_000,
        key: false,
        ttlMs: 3_600_000,
        abort: false,
      },
      { afterMs: 0, do: "inListener", who: 3, makes: "reconnect", state: "connected" },
    ],
    after: [],
  },
} as const satisfies Record<
  string,
  { world: Partial<Program>; before: readonly Step[]; after: readonly Step[] }
>;

/** The program with what its `also` adds. */
function complete(program: Program): Program {
  if (program.also === "nothing") return program;
  const { world, before, after } = specials[program.also];
  return { ...program, ...world, steps: [...before, ...program.steps, ...after] };
}

export const programs: fc.Arbitrary<Program> = drawn.map(complete);

/** A line of a program as people read it. */
export function lineOf(step: Step): string {
  const { afterMs, ...rest } = step;
  return `${afterMs === 0 ? "at once" : `after ${afterMs} ms`}: ${Object.entries(rest)
    .filter(([, value]) => value !== false)
    .map(([name, value]) => (name === "do" || name === "fault" ? value : `${name} ${value}`))
    .join(", ")}`;
}
