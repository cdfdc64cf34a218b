import { expect, test, vi } from "vitest";
import { Scheduler } from "./scheduler.js";
import type { Core } from "./wasm/longhaul.js";

function makeScheduler(): {
  scheduler: Scheduler;
  crashed: ReturnType<typeof vi.fn>;
  finished: ReturnType<typeof vi.fn>;
} {
  const crashed = vi.fn();
  const finished = vi.fn();
  const made = new Scheduler(crashed, finished);
  made.core = {} as Core;
  return { scheduler: made, crashed, finished };
}

test("listeners are called when the core's turn is over, in order", () => {
  const { scheduler: made, finished } = makeScheduler();
  const heard: string[] = [];
  made.run(() => {
    made.defer(() => heard.push("first"));
    made.defer(() => heard.push("second"));
    heard.push("core");
  });
  expect(heard).toEqual(["core", "first", "second"]);
  expect(finished).toHaveBeenCalledOnce();
});

test("a call of a listener comes after the actions that were deferred before", () => {
  const { scheduler: made } = makeScheduler();
  const heard: string[] = [];
  made.run(() => {
    made.defer(() => made.run(() => made.defer(() => heard.push("inner"))));
    made.defer(() => heard.push("outer"));
  });
  expect(heard).toEqual(["outer", "inner"]);
});

test("an exception of the core is reported, and the answer is undefined", () => {
  const { scheduler: made, crashed } = makeScheduler();
  const { core } = made;
  const cause = new Error("unreachable");
  expect(
    made.ask(() => {
      throw cause;
    }),
  ).toBeUndefined();
  expect(crashed).toHaveBeenCalledWith(core, cause);
});

test("without a core nothing is asked, and listeners are still called", () => {
  const { scheduler: made } = makeScheduler();
  made.core = undefined;
  const heard = vi.fn();
  made.defer(heard);
  made.run(() => expect.unreachable());
  expect(heard).toHaveBeenCalledOnce();
});

test("f09 what the core calls may begin a turn of its own: listeners run when the outermost is over", () => {
  const { scheduler: made } = makeScheduler();
  const heard: string[] = [];
  made.run(() => {
    made.defer(() => heard.push("listener"));
    made.run(() => heard.push("inner"));
    made.settle();
    heard.push("outer");
  });
  expect(heard).toEqual(["inner", "outer", "listener"]);
});

test("f09 a crash ends all turns, and its listeners run", () => {
  const { scheduler: made, crashed } = makeScheduler();
  const heard: string[] = [];
  crashed.mockImplementation(() => {
    made.defer(() => heard.push("crash"));
    made.settle();
  });
  made.run(() => {
    throw new Error("unreachable");
  });
  expect(heard).toEqual(["crash"]);
  made.run(() => made.defer(() => heard.push("next")));
  expect(heard).toEqual(["crash", "next"]);
});

test("`finished` is also called after a turn that a listener begins", () => {
  const { scheduler: made, finished } = makeScheduler();
  made.defer(() => made.run(() => {}));
  made.settle();
  expect(finished).toHaveBeenCalledTimes(2);
});
