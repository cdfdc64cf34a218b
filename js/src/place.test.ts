import { beforeEach, expect, test, vi } from "vitest";
import { Place } from "./place.js";

/** The locks of a browser, as far as places use them. */
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

function tab(): { place: Place; said: boolean[] } {
  const said: boolean[] = [];
  return { place: new Place(base, (isGranted) => said.push(isGranted)), said };
}

beforeEach(() => {
  locks = new Locks();
  vi.stubGlobal("navigator", { locks });
});

test("t7 three tabs get a place, a fourth is told that there is none", async () => {
  const tabs = [tab(), tab(), tab(), tab()];
  for (const { place } of tabs) {
    place.seek();
    await vi.waitFor(() => expect(locks.held.size).toBeGreaterThan(0));
    await new Promise(setImmediate);
  }
  expect(locks.held.size).toBe(3);
  expect(tabs.map(({ place }) => place.isDenied)).toEqual([false, false, false, true]);
  expect(tabs[3]?.said).toEqual([false]);
});

test("t7 a place that is given back goes to the tab that waits", async () => {
  const tabs = [tab(), tab(), tab(), tab()];
  for (const { place } of tabs) {
    place.seek();
    await new Promise(setImmediate);
  }
  tabs[1]?.place.leave();
  await vi.waitFor(() => expect(tabs[3]?.said).toEqual([false, true]));
  expect(tabs[3]?.place.isDenied).toBe(false);
});

test("a wish that is taken back waits for nothing", async () => {
  const tabs = [tab(), tab(), tab(), tab()];
  for (const { place } of tabs) {
    place.seek();
    await new Promise(setImmediate);
  }
  tabs[3]?.place.leave();
  tabs[0]?.place.leave();
  await new Promise(setImmediate);
  expect(tabs[3]?.said).toEqual([false]);
  expect(locks.held.size).toBe(2);
});

test("without locks a hidden page has no place, a shown one has", async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("document", page);
  const { place, said } = tab();
  place.seek();
  await vi.waitFor(() => expect(said).toEqual([false]));
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  expect(said).toEqual([false, true]);
  place.leave();
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  expect(said).toEqual([false, true]);
});

test("where requests share a connection nobody needs a place", async () => {
  vi.spyOn(performance, "getEntriesByType").mockReturnValue([
    { name: `${base}v1/poll`, nextHopProtocol: "h2" } as never,
  ]);
  const { place, said } = tab();
  place.seek();
  await new Promise(setImmediate);
  expect(locks.held.size).toBe(0);
  expect(said).toEqual([]);
});
