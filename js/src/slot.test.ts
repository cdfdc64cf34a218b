import { beforeEach, expect, test, vi } from "vitest";
import { Slot } from "./slot.js";

/** The Web Locks of a browser, as far as slots use them. */
class Locks {
  readonly held = new Set<string>();
  readonly #queue: { name: string; run: () => void; signal: AbortSignal | undefined }[] = [];

  async request(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    act: (lock: object | null) => unknown,
  ): Promise<unknown> {
    if (this.held.has(name)) {
      if (options.ifAvailable) return act(null);
      await new Promise<void>((run, reject) => {
        this.#queue.push({ name, run, signal: options.signal });
        options.signal?.addEventListener("abort", () => reject(options.signal?.reason));
      });
    }
    this.held.add(name);
    try {
      return await act({ name });
    } finally {
      this.held.delete(name);
      const next = this.#queue.findIndex((each) => each.name === name && !each.signal?.aborted);
      if (next >= 0) this.#queue.splice(next, 1)[0]?.run();
    }
  }
}

let locks: Locks;
const base = "https://hub.test/";

function tab(): { slot: Slot; reports: boolean[] } {
  const reports: boolean[] = [];
  return { slot: new Slot(base, (isGranted) => reports.push(isGranted)), reports };
}

beforeEach(() => {
  locks = new Locks();
  vi.stubGlobal("navigator", { locks });
});

test("t7 three tabs get a slot, and a fourth gets none", async () => {
  const tabs = [tab(), tab(), tab(), tab()];
  for (const { slot } of tabs) {
    slot.seek();
    await vi.waitFor(() => expect(locks.held.size).toBeGreaterThan(0));
    await new Promise(setImmediate);
  }
  expect(locks.held.size).toBe(3);
  expect(tabs.map(({ slot }) => slot.isDenied)).toEqual([false, false, false, true]);
  expect(tabs[3]?.reports).toEqual([false]);
});

test("t7 a slot that is released goes to the tab that waits", async () => {
  const tabs = [tab(), tab(), tab(), tab()];
  for (const { slot } of tabs) {
    slot.seek();
    await new Promise(setImmediate);
  }
  tabs[1]?.slot.release();
  await vi.waitFor(() => expect(tabs[3]?.reports).toEqual([false, true]));
  expect(tabs[3]?.slot.isDenied).toBe(false);
});

test("a tab that no longer wants a slot waits for none", async () => {
  const tabs = [tab(), tab(), tab(), tab()];
  for (const { slot } of tabs) {
    slot.seek();
    await new Promise(setImmediate);
  }
  tabs[3]?.slot.release();
  tabs[0]?.slot.release();
  await new Promise(setImmediate);
  expect(tabs[3]?.reports).toEqual([false]);
  expect(locks.held.size).toBe(2);
});

test("without locks a hidden page has no slot, and a visible page has one", async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("document", page);
  const { slot, reports } = tab();
  slot.seek();
  await vi.waitFor(() => expect(reports).toEqual([false]));
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  expect(reports).toEqual([false, true]);
  slot.release();
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  expect(reports).toEqual([false, true]);
});

test("no tab needs a slot if requests share a connection", async () => {
  vi.spyOn(performance, "getEntriesByType").mockReturnValue([
    { name: `${base}v1/poll`, nextHopProtocol: "h2" } as never,
  ]);
  const { slot, reports } = tab();
  slot.seek();
  await new Promise(setImmediate);
  expect(locks.held.size).toBe(0);
  expect(reports).toEqual([]);
});
