// The libraries that take part, each used as its documentation shows.

import { library, type Operations } from "./library.js";

/** Paths in its patches are lists of keys. */
export const immer = library("immer", async () => {
  const { applyPatches, enablePatches, setAutoFreeze } = await import("immer");
  enablePatches();
  // Freezing is for development; without it immer is faster.
  setAutoFreeze(false);
  return (value, operations) => {
    const patches = operations.map(({ op, path, value }) => ({ op, path: keysOf(path), value }));
    // It accepts only objects as a base.
    if (patches.length === 1 && patches[0]?.path.length === 0) return patches[0].value;
    return applyPatches(value as object, patches);
  };
});

export const mutative = library("mutative", async () => {
  const { apply } = await import("mutative");
  return (value, operations) => apply(value as object, operations);
});

export const fastJsonPatch = library("fast-json-patch", async () => {
  const { applyPatch } = await import("fast-json-patch");
  return (value, operations) => applyPatch(value, operations, false, false).newDocument;
});

export const fastJsonPatchInPlace = library("fast-json-patch, in place", async () => {
  const { applyPatch } = await import("fast-json-patch");
  return (value, operations) => applyPatch(value, operations, false, true).newDocument;
});

export const jsonJoyInPlace = library("json-joy, in place", async () => {
  const { applyPatch } = await import("json-joy/lib/json-patch");
  return (value, operations) => applyPatch(value, operations, { mutate: true }).doc;
});

export const rfc6902InPlace = library("rfc6902, in place", async () => {
  const { applyPatch } = await import("rfc6902");
  // It can't replace the whole value, so an app that needs that wraps the value.
  const held: { value: unknown } = { value: undefined };
  return (value, operations) => {
    held.value = value;
    applyPatch(
      held,
      operations.map((operation) => ({ ...operation, path: `/value${operation.path}` })) as Operations,
    );
    return held.value;
  };
});

function keysOf(path: string): string[] {
  return path
    .split("/")
    .slice(1)
    .map((key) => (key.includes("~") ? key.replaceAll("~1", "/").replaceAll("~0", "~") : key));
}
