// The page's side: each peer holds a document of the case, and one of them at a time takes frames.

import { replaceWebSocket } from "../socket.js";
import { type Case, documents, type Subject, shape } from "./cases.js";
import { Model } from "./model.js";
import type { Holder, Peer } from "./peer.js";
import { copyOnWrite } from "./peers/cow.js";
import {
  fastJsonPatch,
  fastJsonPatchInPlace,
  immer,
  jsonJoyInPlace,
  mutative,
  rfc6902InPlace,
} from "./peers/libraries.js";
import { longhaul } from "./peers/longhaul.js";

const peers: readonly Peer[] = [
  longhaul,
  mutative,
  immer,
  fastJsonPatch,
  copyOnWrite,
  fastJsonPatchInPlace,
  jsonJoyInPlace,
  rfc6902InPlace,
];

/** How many documents of other shapes each peer has held before, and how many patches on each. */
const shapes = 64;
const patchesOfShape = 40;

class Contestant {
  readonly #name: string;
  readonly #subject: Subject;
  readonly #model: Model;
  readonly #perFrame: number;
  readonly holder: Holder;
  #patches = 0;

  constructor(name: string, subject: Subject, perFrame: number, holder: Holder) {
    this.#name = name;
    this.#subject = subject;
    this.#model = new Model(subject.start);
    this.#perFrame = perFrame;
    this.holder = holder;
  }

  prepare(frames: number): void {
    const list = Array.from({ length: frames }, () =>
      Array.from({ length: this.#perFrame }, () => this.#subject.patch(this.#patches++)),
    );
    for (const { text } of list.flat()) this.#model.patch(text);
    this.holder.prepare(list);
  }

  /** Throws if the value is wrong. */
  check(): void {
    if (JSON.stringify(this.holder.value()) !== this.#model.json()) {
      throw new Error(`${this.#name} has another value`);
    }
  }
}

let contestants = new Map<string, Contestant>();
let current: Contestant | undefined;

replaceWebSocket();

globalThis.bench = {
  peers: peers.map(({ name }) => name),

  /** Shows every peer documents of many shapes. */
  async seeManyShapes(): Promise<void> {
    for (let no = 0; no < shapes; no++) {
      for (const peer of peers) {
        const contestant = await hold(peer, shape(no), 1, "whole");
        contestant.prepare(patchesOfShape);
        await contestant.holder.run();
        contestant.check();
        contestant.holder.close();
      }
    }
  },

  /** Makes every peer hold a case's document, in place of the last case's. */
  async open({ document, perFrame, read }: Case): Promise<void> {
    for (const { holder } of contestants.values()) holder.close();
    contestants = new Map();
    for (const peer of peers) {
      contestants.set(peer.name, await hold(peer, documents[document](), perFrame, read));
    }
  },

  prepare(name: string, frames: number): void {
    current = contestants.get(name);
    current?.prepare(frames);
    globalThis.gc?.();
  },

  run: () => current?.holder.run(),
  check: () => current?.check(),
};

async function hold(peer: Peer, subject: Subject, perFrame: number, read: Case["read"]): Promise<Contestant> {
  return new Contestant(peer.name, subject, perFrame, await peer.open(subject.start, read));
}
