import { expect, test } from "vitest";
import { partitionName, partitionOptions, type Row, toDeadLetter, toOutboxRow } from "./rows.js";

const stored: Row = ["p", "a/b", 0, '{"x":1}', 7, 1_000, 9_000, true, undefined, 0, 2, undefined];

const deadLetter = [...stored, "payload_invalid", "no JSON"] as unknown as Row;

test("a row has its data, and the larger count of attempts", () => {
  expect(toOutboxRow("p:1", stored, { attempts: 1 })).toEqual({
    id: "p:1",
    topic: "a/b",
    kind: "message",
    state: "sent",
    attempts: 2,
    createdAtMs: 1_000,
    expiresAtMs: 9_000,
    data: { x: 1 },
  });
  expect(toOutboxRow("p:1", stored, { attempts: 5 }).attempts).toBe(5);
});

test("a row without attempts is queued", () => {
  const fresh = stored.with(10, 0) as unknown as Row;
  expect(toOutboxRow("p:1", fresh, { attempts: 0 }).state).toBe("queued");
});

test("a discarded row has the state discarding, from storage and from this tab's memory", () => {
  const fresh = stored.with(10, 0) as unknown as Row;
  expect(toOutboxRow("p:1", fresh.with(9, 2) as unknown as Row, { attempts: 0 }).state).toBe("discarding");
  expect(toOutboxRow("p:1", fresh, { attempts: 0, isDiscarded: true })).toMatchObject({
    state: "discarding",
    attempts: 0,
  });
});

test.each([
  [0, "message"],
  [1, "patch"],
  [2, "merge"],
] as const)("kind %i is a %s, of a row and of a dead letter", (stored, kind) => {
  const row = [...deadLetter.slice(0, 2), stored, ...deadLetter.slice(3)] as unknown as Row;
  expect(toOutboxRow("p:1", row, { attempts: 0 }).kind).toBe(kind);
  expect(toDeadLetter("p:1", row).kind).toBe(kind);
});

test("a dead letter has its reason", () => {
  expect(toDeadLetter("p:1", deadLetter)).toMatchObject({
    id: "p:1",
    data: { x: 1 },
    reason: { code: "payload_invalid", message: "no JSON" },
  });
});

test("each hub and subject has its own partition", () => {
  expect(partitionName("https://a/", "u")).not.toBe(partitionName("https://a/u", ""));
});

test("a worker's client only polls, keeps the partition's policy, and has a token if the page had one", () => {
  const token = (): string => "t";
  const options = partitionOptions("db", ["p", "https://a/", "u", true, undefined, true], token);
  expect(options).toEqual({
    transports: ["longpoll"],
    subject: "u",
    outbox: { name: "db", deadLetterPolicy: "pause" },
    token,
  });
  expect(partitionOptions("db", ["p", "https://a/", "u", false, undefined], token)).not.toHaveProperty(
    "token",
  );
});
