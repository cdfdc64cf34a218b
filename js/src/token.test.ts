import { expect, test, vi } from "vitest";
import { isToken, Loan, subjectOf } from "./token.js";

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part(claims)}.x`;
}

test.each([
  ["a.b-c", true],
  ["x".repeat(8_192), true],
  ["x".repeat(8_193), false],
  ["", false],
  ["two words", false],
  ["é", false],
  [7, false],
])("c9 %j as a token: %s", (text, is) => {
  expect(isToken(text)).toBe(is);
});

test("the subject of a JWT is its sub, and of anything else unknown", () => {
  expect(subjectOf(jwt({ sub: "zoë" }))).toBe("zoë");
  for (const text of [jwt({}), jwt({ sub: 7 }), "abc", "a.b.c", undefined, 7]) {
    expect(subjectOf(text)).toBeUndefined();
  }
});

test("a loan is the token that the client has", async () => {
  const loan = new Loan();
  loan.offer("one");
  expect(await loan.lend(undefined)).toBe("one");
});

test("a token that was refused, or is over, is not lent: the next one is", async () => {
  vi.useFakeTimers();
  const loan = new Loan();
  loan.offer("one", 1_000);
  const lent = loan.lend("one");
  loan.offer("two", 1_000);
  expect(await lent).toBe("two");
  vi.advanceTimersByTime(1_000);
  const later = loan.lend(undefined);
  loan.offer("three");
  expect(await later).toBe("three");
});
