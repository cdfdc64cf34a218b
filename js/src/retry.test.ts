import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Failure, Retry } from "./retry.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const backoff = { baseMs: 1_000, factor: 2, capMs: 3_000, jitter: "none", attemptsMax: 3 } as const;

/** An attempt that fails so many times. */
function failing(times: number) {
  const failures: Failure[] = [];
  const attempt = vi.fn(async (no: number) => {
    if (no <= times) throw new Error(`no ${no}`);
    return `done at ${no}`;
  });
  return { attempt, failures, failed: (failure: Failure) => failures.push(failure) > 0 };
}

test("f05_attempts_go_on_after_rests_that_grow_to_the_cap", async () => {
  const { attempt, failed, failures } = failing(4);
  const done = new Retry(backoff).run(attempt, failed);
  for (const [count, ms] of [1_000, 2_000, 3_000, 3_000].entries()) {
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(attempt).toHaveBeenCalledTimes(count + 1);
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(await done).toBe("done at 5");
  expect(failures.map(({ next, delayMs, isExhausted }) => [next, delayMs, isExhausted])).toEqual([
    [2, 1_000, false],
    [3, 2_000, false],
    [4, 3_000, true],
    [5, 3_000, true],
  ]);
});

test("f05_full_jitter_rests_between_the_floor_and_the_window", async () => {
  for (const [chance, delayMs] of [
    [0, 100],
    [0.5, 550],
    [1, 1_000],
  ] as const) {
    vi.spyOn(Math, "random").mockReturnValue(chance);
    const { attempt, failed, failures } = failing(1);
    const done = new Retry(undefined).run(attempt, failed);
    await vi.runAllTimersAsync();
    await done;
    expect(failures[0]?.delayMs).toBe(delayMs);
  }
});

test("f05_hurry_and_a_network_that_is_back_end_a_rest", async () => {
  const target = new EventTarget();
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  vi.stubGlobal("removeEventListener", target.removeEventListener.bind(target));
  const { attempt, failed } = failing(2);
  const retry = new Retry(backoff);
  const done = retry.run(attempt, failed);
  await vi.advanceTimersByTimeAsync(0);
  retry.expedite();
  await vi.advanceTimersByTimeAsync(0);
  expect(attempt).toHaveBeenCalledTimes(2);
  target.dispatchEvent(new Event("online"));
  expect(await done).toBe("done at 3");
  expect(vi.getTimerCount()).toBe(0);
});

test("f05_what_no_attempt_can_heal_is_the_end", async () => {
  const { attempt } = failing(9);
  await expect(new Retry(backoff).run(attempt, () => false)).rejects.toThrow("no 1");
  expect(vi.getTimerCount()).toBe(0);
});

test("f04_once_closed_nothing_is_tried_and_no_timer_is_left", async () => {
  const { attempt, failed } = failing(9);
  const retry = new Retry(backoff);
  const settled = vi.fn();
  retry.run(attempt, failed).then(settled, settled);
  await vi.advanceTimersByTimeAsync(0);
  retry.close();
  expect(vi.getTimerCount()).toBe(0);
  retry.expedite();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(attempt).toHaveBeenCalledTimes(1);
  expect(settled).not.toHaveBeenCalled();
});

test("f04_closing_aborts_the_attempt", async () => {
  const retry = new Retry(backoff);
  let heard: AbortSignal | undefined;
  void retry.run(
    (_no, signal) => {
      heard = signal;
      return new Promise(() => {});
    },
    () => true,
  );
  retry.close();
  expect(heard?.aborted).toBe(true);
});
