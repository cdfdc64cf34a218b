import { expect, test } from "vitest";
import { Host, type HostDependencies } from "./host.js";
import type { Row } from "./rows.js";
import { Scheduler } from "./scheduler.js";

function row(topic: string, kind: number): Row {
  return ["p", topic, kind, "{}", 2, 0, 1, false, undefined, 0, 0, undefined];
}

test("f18: a document gets one report for all its changes that come from storage together", () => {
  const heard: string[] = [];
  const scheduler = new Scheduler(
    () => {},
    () => {},
  );
  const dependencies = {
    publications: { restored() {} },
    events: { restored: (topic: string) => heard.push(topic) },
  };
  const host = new Host(scheduler, dependencies as unknown as HostDependencies);
  for (let n = 1; n <= 1_000; n++) host.restored(n, row(n % 2 === 0 ? "a" : "b", 1));
  host.restored(1_001, row("messages", 0));
  scheduler.settle();
  expect(heard.sort()).toEqual(["a", "b"]);
  host.restored(1_002, row("a", 2));
  scheduler.settle();
  expect(heard).toEqual(["a", "b", "a"]);
});

test("f33: an outbox that the hub knows as another user's is reported as an error", () => {
  const errors: string[] = [];
  const scheduler = new Scheduler(
    () => {},
    () => {},
  );
  const events = { error: ({ code }: { code: string }) => errors.push(code) };
  const host = new Host(scheduler, { events } as unknown as HostDependencies);
  host.outboxRefused("not_owner", "the outbox is another subject's");
  scheduler.settle();
  expect(errors).toEqual(["not_owner"]);
});
