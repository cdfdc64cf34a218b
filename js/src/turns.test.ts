import { expect, test, vi } from "vitest";
import { Turns } from "./turns.js";
import type { Core } from "./wasm/longhaul.js";

function turns(): { turns: Turns; crashed: ReturnType<typeof vi.fn>; finished: ReturnType<typeof vi.fn> } {
  const crashed = vi.fn();
  const finished = vi.fn();
  const made = new Turns(crashed, finished);
  made.core = {} as Core;
  return { turns: made, crashed, finished };
}

test("listeners are called when the core's turn is over, in order", () => {
  const { turns: made, finished } = turns();
  const heard: string[] = [];
  made.turn(() => {
    made.later(() => heard.push("first"));
    made.later(() => heard.push("second"));
    heard.push("core");
  });
  expect(heard).toEqual(["core", "first", "second"]);
  expect(finished).toHaveBeenCalledOnce();
});

test("what a listener asks for comes after what was noted before", () => {
  const { turns: made } = turns();
  const heard: string[] = [];
  made.turn(() => {
    made.later(() => made.turn(() => made.later(() => heard.push("inner"))));
    made.later(() => heard.push("outer"));
  });
  expect(heard).toEqual(["outer", "inner"]);
});

test("what the core throws is told, and answers with nothing", () => {
  const { turns: made, crashed } = turns();
  const { core } = made;
  const cause = new Error("unreachable");
  expect(
    made.look(() => {
      throw cause;
    }),
  ).toBeUndefined();
  expect(crashed).toHaveBeenCalledWith(core, cause);
});

test("where there is no core nothing is asked, and listeners are called all the same", () => {
  const { turns: made } = turns();
  made.core = undefined;
  const heard = vi.fn();
  made.later(heard);
  made.turn(() => expect.unreachable());
  expect(heard).toHaveBeenCalledOnce();
});

test("f09 what the core calls may begin a turn of its own: listeners run when the outermost is over", () => {
  const { turns: made } = turns();
  const heard: string[] = [];
  made.turn(() => {
    made.later(() => heard.push("listener"));
    made.turn(() => heard.push("inner"));
    made.settle();
    heard.push("outer");
  });
  expect(heard).toEqual(["inner", "outer", "listener"]);
});

test("f09 a crash ends all turns, and its listeners run", () => {
  const { turns: made, crashed } = turns();
  const heard: string[] = [];
  crashed.mockImplementation(() => {
    made.later(() => heard.push("crash"));
    made.settle();
  });
  made.turn(() => {
    throw new Error("unreachable");
  });
  expect(heard).toEqual(["crash"]);
  made.turn(() => made.later(() => heard.push("next")));
  expect(heard).toEqual(["crash", "next"]);
});

test("a turn that a listener begins is told of as finished, too", () => {
  const { turns: made, finished } = turns();
  made.later(() => made.turn(() => {}));
  made.settle();
  expect(finished).toHaveBeenCalledTimes(2);
});
