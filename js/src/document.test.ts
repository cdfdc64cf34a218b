import { beforeEach, expect, test, vi } from "vitest";
import type { Ack, DocumentState } from "./api.js";
import { type DocumentClient, DocumentHandle } from "./document.js";
import type { DocumentCore } from "./documents.js";
import type { Messages } from "./frame.js";
import type { PublicationObserver } from "./publications.js";

/** A snapshot as the hub sends it. */
const snapshot = 2;

/** A core whose value is a number, and whose entries and changes add to it. */
class Counter {
  base = 0;
  at = -1;
  isTouched = false;
  readonly own = new Map<number, number>();
  /** The acked changes whose entries have not arrived. */
  readonly ackedOnly = new Set<number>();

  snapshot(_epoch: string, seq: number, _chain: number, _last: number, json: string): number {
    this.base = JSON.parse(json);
    this.at = seq;
    for (const row of this.ackedOnly) this.own.delete(row);
    this.ackedOnly.clear();
    this.isTouched = true;
    return 1;
  }

  publish(row: number, _kind: number, text: string): void {
    this.own.set(row, JSON.parse(text));
    this.isTouched = true;
  }

  /** The own entry arrives and changes nothing; while the document is not followed, it does not. */
  acked(row: number, _epoch: string, seq: number): void {
    if (document.no === 0) {
      this.ackedOnly.add(row);
      return;
    }
    this.base += this.own.get(row) ?? 0;
    this.own.delete(row);
    this.at = seq;
  }

  dead(row: number): void {
    this.own.delete(row);
    this.isTouched = true;
  }

  seq = (): number => this.at;
  pending = (): number => this.own.size - this.ackedOnly.size;
  laid = (): number => this.own.size;
  check = (): undefined => undefined;
  confirmed = (): string => JSON.stringify({ n: this.base });
  hasChanged = (): boolean => this.isTouched;

  copy(): { value: unknown } | undefined {
    if (!this.isTouched) return undefined;
    this.isTouched = false;
    let n = this.base;
    for (const more of this.own.values()) n += more;
    return { value: { n } };
  }
}

let core: Counter;
let calls: string[];
let observer: PublicationObserver | undefined;
let document: DocumentHandle;

beforeEach(() => {
  core = new Counter();
  calls = [];
  observer = undefined;
  const client: DocumentClient = {
    follow: (it) => {
      calls.push("follow");
      it.no ||= 1;
      return true;
    },
    leave: () => calls.push("leave"),
    resync: () => calls.push("resync"),
    publish: async ({ text, observer: its }) => {
      calls.push(`publish ${text}`);
      observer = its;
      its?.queued(7);
      return { id: "p:7", durable: false, acked: new Promise<Ack>(() => {}) };
    },
    load: async () => core as unknown as DocumentCore,
    adopt: () => {},
    isConnected: () => false,
    save: () => {},
    saved: async () => undefined,
    error: (error) => calls.push(error.code),
    crashed: (cause) => {
      throw cause;
    },
    threw: (cause) => calls.push(`threw ${cause}`),
  };
  document = new DocumentHandle("d", client);
});

/** Waits until the listeners are called. */
const told = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

async function arrive(n: number): Promise<void> {
  document.epoch = "e";
  document.deliver({ first: 0, chain: 0, at: 0, kind: snapshot, data: String(n) } as Messages);
  await told();
}

test("f19 the state is one object until something changes, and onChange reports value, pending and confirmed", async () => {
  const seen: DocumentState<unknown>[] = [];
  const { onChange } = document;
  const stop = onChange(() => seen.push(document.state));
  expect(document.state).toBe(document.state);
  expect(document.state).toEqual({
    value: undefined,
    confirmed: undefined,
    pending: 0,
    seq: -1,
    epoch: "",
  });
  await told();
  await arrive(1);
  void document.merge(5);
  await told();
  expect(document.state).toBe(document.state);
  observer?.acked(7, { epoch: "e", seq: 1, duplicate: false });
  await told();
  expect(seen).toEqual([
    { value: { n: 1 }, confirmed: { n: 1 }, pending: 0, seq: 0, epoch: "e" },
    { value: { n: 6 }, confirmed: { n: 1 }, pending: 1, seq: 0, epoch: "e" },
    { value: { n: 6 }, confirmed: { n: 6 }, pending: 0, seq: 1, epoch: "e" },
  ]);
  stop();
  expect(calls).toEqual(["follow", "publish 5", "leave"]);
});

test("a listener of the value is not called for an ack that changes nothing of it", async () => {
  const values: unknown[] = [];
  document.subscribe((value) => values.push(value));
  await told();
  await arrive(1);
  void document.merge(5);
  await told();
  observer?.acked(7, { epoch: "e", seq: 1, duplicate: false });
  await told();
  expect(values).toEqual([{ n: 1 }, { n: 6 }]);
});

test("f19 a listener that starts when there is a value gets it, after the call", async () => {
  document.subscribe(() => {});
  await told();
  await arrive(1);
  const late = vi.fn();
  const elsewhere = vi.fn();
  document.subscribe(late);
  document.subscribe(elsewhere, { at: "/x" });
  expect(late).not.toHaveBeenCalled();
  await told();
  expect(late.mock.calls).toEqual([[{ n: 1 }]]);
  expect(elsewhere.mock.calls).toEqual([[{ n: 1 }]]);
});

test("f12 a change in the task in which listeners stop and start shows at once", async () => {
  const stop = document.subscribe(() => {});
  await told();
  await arrive(1);
  stop();
  void document.merge(5);
  document.subscribe(() => {});
  await told();
  expect(document.value).toEqual({ n: 6 });
  expect(document.pending).toBe(1);
});

test("f15 a change without a JSON form is data_not_json", async () => {
  await expect(document.merge(1n)).rejects.toMatchObject({ code: "data_not_json" });
  const patch = document.patch([{ op: "add", path: "", value: 1n }]);
  await expect(patch).rejects.toMatchObject({ code: "data_not_json" });
  expect(calls).toEqual([]);
});

test("a listener must be a function, and `at` a JSON Pointer", () => {
  const invalid = expect.objectContaining({ code: "option_invalid" });
  expect(() => document.subscribe(undefined as never)).toThrow(invalid);
  expect(() => document.onChange(1 as never)).toThrow(invalid);
  expect(() => document.subscribe(() => {}, { at: "x" })).toThrow(invalid);
  expect(() => document.at("x")).toThrow(invalid);
  expect(calls).toEqual([]);
});
