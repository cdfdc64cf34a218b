// The cases: documents and endless streams of patches, the same for every peer.

export interface Case {
  readonly name: string;
  readonly document: keyof typeof documents;
  /** Patches that arrive together; no reader looks between them. */
  readonly perFrame: number;
  readonly read: Read;
}

/**
 * The part that is read after each frame: the whole value, the place of the last patch, or nothing.
 */
export type Read = "whole" | "place" | "nothing";

export interface Patch {
  /** RFC 6902, as JSON. */
  readonly text: string;
  /** A place that exists after it. */
  readonly place: readonly string[];
}

/**
 * A document: its first value, and the patch with a number. Each patch is for the value after all
 * earlier ones.
 */
export interface Subject {
  readonly start: unknown;
  patch(n: number): Patch;
}

interface Operation {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly value?: unknown;
}

const entities = 1_000;
/** V8 stores objects of more than 1,020 keys differently. */
const entitiesMany = 1_500;
const elements = 10_000;

export const documents = {
  "large object": (): Subject => ({
    start: manyEntities(entities),
    patch: (n) => {
      const [path, value] = change(n, entities);
      return patchOf([{ op: "replace", path: pointer(path), value }], path);
    },
  }),

  "large object, 5 operations": (): Subject => ({
    start: manyEntities(entities),
    patch: (n) => {
      const changes = Array.from({ length: 5 }, (_, i) => change(n * 5 + i, entities));
      const operations = changes.map(([path, value]) => ({
        op: "replace" as const,
        path: pointer(path),
        value,
      }));
      return patchOf(operations, changes[4]?.[0] ?? []);
    },
  }),

  "keys come and go": (): Subject => ({
    start: manyEntities(entities),
    // The oldest goes, then a new one comes.
    patch: (n) => {
      const [gone, come] = [`e${n >> 1}`, `e${entities + (n >> 1)}`];
      if (n % 2 === 0) return patchOf([{ op: "remove", path: `/${gone}` }], [`e${(n >> 1) + 1}`, "x"]);
      return patchOf([{ op: "add", path: `/${come}`, value: entity(n) }], [come, "x"]);
    },
  }),

  "more than 1,020 keys": (): Subject => ({
    start: manyEntities(entitiesMany),
    patch: (n) => {
      const [path, value] = change(n, entitiesMany);
      return patchOf([{ op: "replace", path: pointer(path), value }], path);
    },
  }),

  "array, replaced": (): Subject => ({
    start: manyElements(),
    patch: (n) => {
      const path = [String((n * 7_919) % elements), "text"];
      return patchOf([{ op: "replace", path: pointer(path), value: `changed ${n}` }], path);
    },
  }),

  "array, inserted": (): Subject => ({
    start: manyElements(),
    // The last element goes, so that the list keeps its length.
    patch: (n) =>
      patchOf(
        [
          { op: "add", path: "/0", value: element(n) },
          { op: "remove", path: `/${elements}` },
        ],
        ["0", "text"],
      ),
  }),

  "small document": (): Subject => ({
    start: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field${i}`, i % 2 ? i : `value ${i}`])),
    patch: (n) => {
      const path = [`field${(n * 7) % 20}`];
      return patchOf([{ op: "replace", path: pointer(path), value: n % 3 ? n : `changed ${n}` }], path);
    },
  }),

  "scalar root": (): Subject => ({
    start: null,
    patch: (n) => {
      const value = [n, `text ${n}`, n % 2 === 0, null, [n, n + 1], { n }, n / 8][n % 7];
      return patchOf([{ op: "replace", path: "", value }], []);
    },
  }),
};

/**
 * A document with a shape of its own, so that the page sees many. Most are small, some have
 * hundreds of keys.
 */
export function shape(no: number): Subject {
  const keys = no % 8 === 7 ? 70 + no * 5 : 2 + (no % 12);
  const field = (i: number): string => `k${no}_${i}`;
  return {
    start: Object.fromEntries(Array.from({ length: keys }, (_, i) => [field(i), { n: i, [`own${no}`]: i }])),
    patch: (n) => {
      const path = [field(n % keys), "n"];
      return patchOf([{ op: "replace", path: pointer(path), value: -1 - n }], path);
    },
  };
}

function patchOf(operations: readonly Operation[], place: readonly string[]): Patch {
  return { text: JSON.stringify(operations), place };
}

function pointer(path: readonly string[]): string {
  return path.map((key) => `/${key}`).join("");
}

function change(n: number, of: number): [path: readonly string[], value: unknown] {
  const key = `e${(n * 7_919) % of}`;
  if (n % 3 === 0) return [[key, "name"], `changed ${n}`];
  return n % 3 === 1 ? [[key, "x"], (n + 0.5) / 16] : [[key, "count"], n + 10];
}

function manyEntities(count: number): unknown {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`e${n}`, entity(n)]));
}

function entity(n: number): unknown {
  const [x, y] = [n / 16, n / 8];
  return {
    id: n,
    name: `name ${n}`,
    x,
    y,
    count: n % 10,
    owner: `user ${n % 30}`,
    open: n % 2 === 0,
    tag: null,
  };
}

function manyElements(): unknown {
  return Array.from({ length: elements }, (_, n) => element(n));
}

function element(n: number): unknown {
  return { id: n, text: `text ${n}` };
}
