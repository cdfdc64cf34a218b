import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Options, Status } from "./api.js";
import type { Engine } from "./engine.js";
import { LonghaulError } from "./errors.js";
import type { Start } from "./start.js";

/** The smallest module: magic and version. */
const bytes = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]);

let isThere: boolean;

beforeEach(() => {
  isThere = false;
  vi.resetModules();
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async () =>
    isThere ? new Response(bytes) : Promise.reject(new TypeError("no network")),
  );
});
afterEach(() => {
  vi.useRealTimers();
});

const backoff = { baseMs: 1_000, capMs: 1_000, jitter: "none" } as const;

/** A client without anything around it. Each has an address of its own: modules are shared. */
async function begin(options: Options = {}) {
  // Modules are loaded once a page: each test is one.
  const { Start: Fresh } = await import("./start.js");
  const statuses: Status[] = [];
  const steps: string[] = [];
  const engine = { start: () => steps.push("start"), close: () => steps.push("close") };
  const start: Start = new Fresh(
    { backoff, wasm: "/a.wasm", ...options },
    {
      make: async () => engine as unknown as Engine,
      begin: () => steps.push("begin"),
      status: (status) => statuses.push(status),
      report: (error) => steps.push(`report ${error.code}`),
      failed: (error) => steps.push(`failed ${error.code}`),
    },
  );
  const ask = (name: string, more = {}): void =>
    start.ask({
      run: () => steps.push(name),
      refuse: ({ code }) => steps.push(`${name} ${code}`),
      ...more,
    });
  return { start, statuses, steps, ask };
}

test("f05_what_is_asked_is_done_in_order_once_the_wasm_is_there", async () => {
  const { statuses, steps, ask } = await begin();
  ask("one");
  ask("two", { chars: 3 });
  // A compiler runs in time of its own.
  await vi.waitFor(() =>
    expect(statuses.at(-1)).toMatchObject({
      state: "waiting",
      attempt: 2,
      reason: { code: "wasm_load_failed" },
    }),
  );
  ask("three");
  isThere = true;
  await vi.waitFor(() => expect(steps).toEqual(["begin", "one", "two", "three", "start"]), 5_000);
  expect(statuses.at(-1)).toMatchObject({ state: "connecting", transport: "websocket" });
});

test("f05_publications_that_wait_are_limited_and_a_wipe_withdraws_them", async () => {
  const { start, steps, ask } = await begin({ outbox: { rowsMax: 2, bytesMax: 10 } });
  ask("a", { chars: 4 });
  ask("long", { chars: 7 });
  ask("b", { chars: 6 });
  ask("c", { chars: 0 });
  ask("other");
  expect(steps).toEqual(["long outbox_full", "c outbox_full"]);
  start.withdraw(new LonghaulError("wiped", ""));
  ask("d", { chars: 10 });
  start.close(new LonghaulError("closed", ""));
  expect(steps.slice(2)).toEqual(["a wiped", "b wiped", "other closed", "d closed"]);
});

test("f05_who_is_impatient_hears_of_the_next_failure_at_once", async () => {
  const { steps, ask } = await begin();
  ask("flush", { impatient: () => new LonghaulError("not_flushed", "") });
  await vi.waitFor(() => expect(steps).toEqual(["flush not_flushed"]));
});

test("f04_a_start_that_is_closed_begins_nothing_and_keeps_no_timer", async () => {
  const { start, statuses, steps } = await begin();
  await vi.waitFor(() => expect(statuses.at(-1)?.state).toBe("waiting"));
  start.close(new LonghaulError("closed", ""));
  isThere = true;
  start.hurry();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(steps).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
