import { expect, test } from "vitest";
import { Host, type HostRoom } from "./host.js";
import type { StoredRow } from "./rows.js";
import { Turns } from "./turns.js";

function row(topic: string, kind: number): StoredRow {
  return ["p", topic, kind, "{}", 2, 0, 1, false, undefined, 0, 0, undefined];
}

test("f18: a document hears once of all its changes that are found in storage together", () => {
  const heard: string[] = [];
  const turns = new Turns(
    () => {},
    () => {},
  );
  const room = {
    publications: { restored() {} },
    owner: { restored: (topic: string) => heard.push(topic) },
  };
  const host = new Host(turns, room as unknown as HostRoom);
  for (let n = 1; n <= 1_000; n++) host.restored(n, row(n % 2 === 0 ? "a" : "b", 1));
  host.restored(1_001, row("messages", 0));
  turns.settle();
  expect(heard.sort()).toEqual(["a", "b"]);
  host.restored(1_002, row("a", 2));
  turns.settle();
  expect(heard).toEqual(["a", "b", "a"]);
});

test("f33: rows that the hub takes from somebody else only are told of as an error", () => {
  const errors: string[] = [];
  const turns = new Turns(
    () => {},
    () => {},
  );
  const owner = { error: ({ code }: { code: string }) => errors.push(code) };
  const host = new Host(turns, { owner } as unknown as HostRoom);
  host.outboxRefused("not_owner", "the outbox is another subject's");
  turns.settle();
  expect(errors).toEqual(["not_owner"]);
});
