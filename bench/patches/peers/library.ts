// Libraries: the document is in a variable, and JSON.parse reads the patches.

import { asReceived } from "../../workload.js";
import type { Patch, Read } from "../cases.js";
import type { Holder, Peer } from "../peer.js";

/** The type that a library takes as an operation of RFC 6902. */
// biome-ignore lint/suspicious/noExplicitAny: each library has types of its own
export type Operations = any[];

export type Apply = (value: unknown, operations: Operations) => unknown;

/** Values that are read go here, so that the engine does not drop the reading. */
export const sink = { last: undefined as unknown };

interface Frame {
  readonly texts: readonly string[];
  readonly place: readonly string[];
}

/**
 * `load` imports the library and returns a function, which applies operations to a value and
 * returns the new value.
 */
export function library(name: string, load: () => Promise<Apply>): Peer {
  return {
    name,
    async open(start, read) {
      return new Held(JSON.parse(JSON.stringify(start)), await load(), read);
    },
  };
}

class Held implements Holder {
  #value: unknown;
  readonly #apply: Apply;
  readonly #read: Read;
  #frames: Frame[] = [];

  constructor(value: unknown, apply: Apply, read: Read) {
    this.#value = value;
    this.#apply = apply;
    this.#read = read;
  }

  prepare(frames: readonly (readonly Patch[])[]): void {
    this.#frames = frames.map((frame) => ({
      texts: frame.map(({ text }) => asReceived(text)),
      place: frame.at(-1)?.place ?? [],
    }));
  }

  run(): void {
    for (const { texts, place } of this.#frames) {
      // All operations of a frame at once, so that libraries which copy do it once.
      let operations: Operations = JSON.parse(texts[0] ?? "[]");
      if (texts.length > 1) operations = texts.flatMap((text) => JSON.parse(text));
      this.#value = this.#apply(this.#value, operations);
      if (this.#read === "whole") sink.last = this.#value;
      else if (this.#read === "place") sink.last = at(this.#value, place);
    }
  }

  value(): unknown {
    return this.#value;
  }

  close(): void {}
}

function at(value: unknown, place: readonly string[]): unknown {
  for (const key of place) value = (value as { [key: string]: unknown })[key];
  return value;
}
