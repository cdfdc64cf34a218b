import { expect, test } from "vitest";
import { createVirtualClock } from "./clock.js";

test("timers run in order of their time, then of their making, with promises between", async () => {
  const clock = createVirtualClock({ nowMs: 1_000 });
  const undo = clock.install();
  const ran: string[] = [];
  const note = (what: string) => () => {
    ran.push(`${what} ${Date.now()}`);
    Promise.resolve().then(() => ran.push(`after ${what}`));
  };
  setTimeout(note("late"), 20);
  setTimeout(note("a"), 10);
  setTimeout(note("b"), 10);
  setImmediate(note("now"));
  const every = setInterval(note("every"), 15);
  await clock.advance(15);
  clearInterval(every);
  expect(ran).toEqual([
    "now 1000",
    "after now",
    "a 1010",
    "after a",
    "b 1010",
    "after b",
    "every 1015",
    "after every",
  ]);
  expect(clock.timers).toBe(1);
  expect(clock.nextMs).toBe(5);
  expect(new Date().toISOString()).toBe("1970-01-01T00:00:01.015Z");
  expect(performance.now()).toBe(15);
  undo();
  expect(Date.now()).toBeGreaterThan(1_700_000_000_000);
});

test("a jump of the wall clock moves no timer", async () => {
  const clock = createVirtualClock({ nowMs: 1_000 });
  let ran = 0;
  clock.setTimeout(() => ran++, 10);
  clock.jump(-500);
  expect(clock.now()).toBe(500);
  await clock.advance(9);
  expect(ran).toBe(0);
  await clock.advance(1);
  expect([ran, clock.now(), clock.elapsed()]).toEqual([1, 510, 10]);
});

test("until advances only as far as necessary, and rejects if time does not help", async () => {
  const clock = createVirtualClock();
  let ran = 0;
  clock.setTimeout(() => ran++, 10);
  clock.setTimeout(() => ran++, 20);
  await clock.until(() => ran === 1);
  expect(clock.elapsed()).toBe(10);
  await expect(clock.until(() => ran === 3)).rejects.toThrow("does not hold after 20 ms");
});

test("an exception of a timer rejects the call that ran it, and the clock continues", async () => {
  const clock = createVirtualClock();
  clock.setTimeout(() => {
    throw new Error("bad timer");
  }, 10);
  await expect(clock.advance(20)).rejects.toThrow("bad timer");
  await clock.advance(20);
  expect(clock.elapsed()).toBe(30);
});

test("time waits for tracked work, and for work of the engine outside of the event loop", async () => {
  const clock = createVirtualClock();
  const undo = clock.install();
  const order: string[] = [];
  const { port1, port2 } = new MessageChannel();
  const work = new Promise<void>((resolve) => {
    port1.onmessage = () => resolve();
  });
  clock.track(work).then(() => order.push("work"));
  port2.postMessage(0);
  crypto.subtle.digest("SHA-256", new Uint8Array(1_000_000)).then(() => order.push("digest"));
  setTimeout(() => order.push("timer"), 1);
  await clock.advance(1);
  expect(order.at(-1)).toBe("timer");
  expect(order).toHaveLength(3);
  port1.close();
  undo();
});

test("waitFor advances until a promise settles", async () => {
  const clock = createVirtualClock();
  const late = new Promise<string>((resolve) => clock.setTimeout(() => resolve("late"), 5_000));
  expect(await clock.waitFor(late)).toBe("late");
  expect(clock.elapsed()).toBe(5_000);
  const bad = new Promise((_, reject) => clock.setTimeout(() => reject(new Error("bad")), 5_000));
  await expect(clock.waitFor(bad)).rejects.toThrow("bad");
  await expect(clock.waitFor(new Promise(() => {}), { withinMs: 1 })).rejects.toThrow("does not hold");
});
