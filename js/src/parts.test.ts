import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Parts, readAnswer } from "./parts.js";

interface Golden {
  parts: { records: string[]; whole: string[] }[];
  badParts: { records: string[] }[];
}

const golden: Golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/frames.json", import.meta.url), "utf8"),
);

/** The record from the parts; undefined if a part is refused. */
function whole(parts: Parts, records: readonly string[]): string[] | undefined {
  const all: string[] = [];
  for (const record of records) {
    if (!record.startsWith("part ")) all.push(record);
    else {
      const text = Number.isNaN(Parts.left(record)) ? undefined : parts.add(1, record);
      if (text === undefined) return undefined;
      if (text !== "") all.push(text);
    }
  }
  return all;
}

for (const { records, whole: expected } of golden.parts) {
  test(`w9: ${records.join(" | ")} make ${expected.join(" | ")}`, () => {
    expect(whole(new Parts(), records)).toEqual(expected);
  });
}

for (const { records } of golden.badParts) {
  test(`w9: ${records.join(" | ")} are refused`, () => {
    expect(whole(new Parts(), records)).toBeUndefined();
  });
}

test("w9: a part from another connection is refused, and the next record starts fresh", () => {
  const parts = new Parts();
  expect(parts.add(1, "part 0 2 ping")).toBe("");
  expect(parts.add(2, "part 1 0  1")).toBeUndefined();
  expect(parts.add(2, "part 0 0 ping 2")).toBe("ping 2");
});

test("f24: a record that is too large is refused at the part that shows it", () => {
  const parts = new Parts();
  const most = 8 * 2 ** 20;
  expect(parts.add(1, `part 0 ${most} x`)).toBeUndefined();
  expect(parts.add(1, `part 0 ${most - 1} x`)).toBe("");
});

/** An answer whose body is produced as it is read. */
function answer(pieces: Iterable<Uint8Array>): { response: Response; cancelled: () => boolean } {
  let isCancelled = false;
  const source = pieces[Symbol.iterator]();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      isCancelled = true;
    },
  });
  return { response: new Response(body), cancelled: () => isCancelled };
}

test("f03: each piece of an answer is reported, and split characters are joined", async () => {
  const bytes = new TextEncoder().encode("welcome ü🚚");
  let arrived = 0;
  const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte));
  const text = await readAnswer(answer(pieces).response, 100, () => arrived++);
  expect(text).toBe("welcome ü🚚");
  expect(arrived).toBe(bytes.length);
});

test("f24: an answer without end is left at its limit", async () => {
  function* endless() {
    for (;;) yield new Uint8Array(1_000);
  }
  const { response, cancelled } = answer(endless());
  let arrived = 0;
  expect(await readAnswer(response, 10_000, () => arrived++)).toBeUndefined();
  expect(arrived).toBe(10);
  expect(cancelled()).toBe(true);
});

test("an answer without a body is empty", async () => {
  expect(await readAnswer(new Response(null), 1, () => {})).toBe("");
});
