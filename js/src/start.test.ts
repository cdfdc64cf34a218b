import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Options, Status } from "./api.js";
import type { Engine } from "./engine.js";
import { LonghaulError } from "./errors.js";
import { load, loadFailed } from "./load.js";
import { Start } from "./start.js";

vi.mock("./load.js", async (original) => ({
  ...(await original<typeof import("./load.js")>()),
  load: vi.fn(),
}));

let isThere: boolean;

beforeEach(() => {
  vi.mocked(load).mockReset();
  isThere = false;
  vi.useFakeTimers();
  vi.mocked(load).mockImplementation(async () => {
    if (isThere) return {} as WebAssembly.Module;
    throw loadFailed({ message: "no network" });
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const backoff = { baseMs: 1_000, capMs: 1_000, jitter: "none" } as const;

/** A start without a client. */
function begin(options: Options = {}) {
  const statuses: Status[] = [];
  const steps: string[] = [];
  const engine = { start: () => steps.push("start"), close: () => steps.push("close") };
  const start: Start = new Start(
    { backoff, ...options },
    {
      make: async () => {
        steps.push("make");
        return engine as unknown as Engine;
      },
      begin: () => steps.push("begin"),
      status: (status) => statuses.push(status),
      report: (error) => steps.push(`report ${error.code}`),
      failed: (error) => steps.push(`failed ${error.code}`),
    },
  );
  start.begin();
  const add = (name: string, more = {}): void =>
    start.add({
      run: () => steps.push(name),
      reject: ({ code }) => steps.push(`${name} ${code}`),
      ...more,
    });
  return { start, statuses, steps, add };
}

test("f05_calls_run_in_order_as_soon_as_the_wasm_is_loaded", async () => {
  const { statuses, steps, add } = begin();
  add("one");
  add("two", { chars: 3 });
  await vi.advanceTimersByTimeAsync(999);
  expect(statuses.at(-1)).toMatchObject({
    state: "waiting",
    attempt: 2,
    reason: { code: "wasm_load_failed" },
  });
  add("three");
  isThere = true;
  await vi.advanceTimersByTimeAsync(1);
  expect(steps).toEqual(["make", "begin", "one", "two", "three", "start"]);
  expect(statuses.at(-1)).toEqual({ state: "connecting", attempt: 2, transport: "websocket" });
});

test("f05_publications_that_wait_are_limited_and_a_wipe_withdraws_them", () => {
  const { start, steps, add } = begin({ outbox: { rowsMax: 2, bytesMax: 10 } });
  add("a", { chars: 4 });
  add("long", { chars: 7 });
  add("b", { chars: 6 });
  add("c", { chars: 0 });
  add("other");
  expect(steps).toEqual(["long outbox_full", "c outbox_full"]);
  start.withdraw(new LonghaulError("wiped", ""));
  add("d", { chars: 10 });
  start.close(new LonghaulError("closed", ""));
  expect(steps.slice(2)).toEqual(["a wiped", "b wiped", "other closed", "d closed"]);
});

test("f05_an_impatient_call_rejects_at_the_next_failure", async () => {
  const { steps, add } = begin();
  await vi.advanceTimersByTimeAsync(0);
  add("flush", { impatient: () => new LonghaulError("not_flushed", "") });
  await vi.advanceTimersByTimeAsync(0);
  expect(steps).toEqual(["flush not_flushed"]);
});

test("f05_a_final_failure_ends_the_attempts", async () => {
  vi.mocked(load).mockRejectedValue(loadFailed({ message: "forbidden", isFinal: true }));
  const { steps } = begin();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(steps).toEqual(["failed wasm_load_failed"]);
  expect(vi.mocked(load)).toHaveBeenCalledTimes(1);
});

test("f05_another_file_is_reported_once_and_attempts_continue", async () => {
  vi.mocked(load).mockRejectedValue(loadFailed({ message: "HTTP 404", isAnother: true }));
  const { statuses, steps } = begin();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(steps).toEqual(["report wasm_load_failed"]);
  expect(statuses.at(-1)).toMatchObject({ state: "waiting", attempt: 12 });
});

test("f04_a_start_that_is_closed_while_it_loads_makes_no_instance", async () => {
  isThere = true;
  const { start, steps } = begin();
  start.close(new LonghaulError("closed", ""));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(steps).toEqual([]);
});

test("f04_a_start_that_is_closed_begins_nothing_and_keeps_no_timer", async () => {
  const { start, steps } = begin();
  await vi.advanceTimersByTimeAsync(0);
  start.close(new LonghaulError("closed", ""));
  isThere = true;
  start.expedite();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(steps).toEqual([]);
});

test("f05_an_impatient_call_rejects_after_15_s_of_an_attempt_that_hangs", async () => {
  vi.mocked(load).mockReturnValue(new Promise(() => {}));
  const { start, steps, add } = begin();
  add("wipe", { impatient: () => new LonghaulError("storage_unavailable", "") });
  add("publish", { chars: 1 });
  await vi.advanceTimersByTimeAsync(14_999);
  expect(steps).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(steps).toEqual(["wipe storage_unavailable"]);
  start.close(new LonghaulError("closed", ""));
  expect(vi.getTimerCount()).toBe(0);
});
