import { expect, test, vi } from "vitest";
import { Scheduler } from "./scheduler.js";
import type { Core } from "./wasm/longhaul.js";

function scheduler(): {
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
  const { scheduler: made, finished } = scheduler();
  const heard: string[] = [];
  made.run(() => {
    made.defer(() => heard.push("first"));
    made.defer(() => heard.push("second"));
    heard.push("core");
  });
  expect(heard).toEqual(["core", "first", "second"]);
  expect(finished).toHaveBeenCalledOnce();
});

test("what a listener asks for comes after what was noted before", () => {
  const { scheduler: made } = scheduler();
  const heard: string[] = [];
  made.run(() => {
    made.defer(() => made.run(() => made.defer(() => heard.push("inner"))));
    made.defer(() => heard.push("outer"));
  });
  expect(heard).toEqual(["outer", "inner"]);
});

test("what the core throws is told, and answers with nothing", () => {
  const { scheduler: made, crashed } = scheduler();
  const { core } = made;
  const cause = new Error("unreachable");
  expect(
    made.ask(() => {
      throw cause;
    }),
  ).toBeUndefined();
  expect(crashed).toHaveBeenCalledWith(core, cause);
});

test("where there is no core nothing is asked, and listeners are called all the same", () => {
  const { scheduler: made } = scheduler();
  made.core = undefined;
  const heard = vi.fn();
  made.defer(heard);
  made.run(() => expect.unreachable());
  expect(heard).toHaveBeenCalledOnce();
});

test("f09 what the core calls may begin a turn of its own: listeners run when the outermost is over", () => {
  const { scheduler: made } = scheduler();
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
  const { scheduler: made, crashed } = scheduler();
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

test("a turn that a listener begins is told of as finished, too", () => {
  const { scheduler: made, finished } = scheduler();
  made.defer(() => made.run(() => {}));
  made.settle();
  expect(finished).toHaveBeenCalledTimes(2);
});
