import { afterEach, expect, test, vi } from "vitest";
import { isRefusal, isToken, onLate, subjectOf, TokenSharing, tokenMsMax, tokenTimeout } from "./token.js";

afterEach(() => {
  vi.useRealTimers();
});

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

test("a page shares the token that its client has", async () => {
  const tokenSharing = new TokenSharing();
  tokenSharing.offer("one");
  expect(await tokenSharing.share(undefined)).toBe("one");
});

test("a token that was refused or has expired is not shared: the next one is", async () => {
  vi.useFakeTimers();
  const tokenSharing = new TokenSharing();
  tokenSharing.offer("one", 1_000);
  const shared = tokenSharing.share("one");
  tokenSharing.offer("two", 1_000);
  expect(await shared).toBe("two");
  vi.advanceTimersByTime(1_000);
  const later = tokenSharing.share(undefined);
  tokenSharing.offer("three");
  expect(await later).toBe("three");
});

const hub = "https://hub.example.com/";

test.each([
  ["what fetch throws", new TypeError("Failed to fetch")],
  ["a time limit", new DOMException("", "TimeoutError")],
  ["a library's error with its cause", new Error("request failed", { cause: new TypeError("fetch failed") })],
])("f13 %s is no refusal", async (_, cause) => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  expect(await isRefusal(cause, hub)).toBe(false);
  expect(fetched).not.toHaveBeenCalled();
});

test("f13 an app's own error is a refusal if the hub's address answers", async () => {
  vi.stubGlobal("fetch", async () => new Response("no hub", { status: 404 }));
  expect(await isRefusal(new Error("signed out"), hub)).toBe(true);
  expect(await isRefusal(undefined, hub)).toBe(true);
  expect(await isRefusal("signed out", hub)).toBe(true);
});

test("f13 no error is a refusal if nothing answers or the browser is offline", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  expect(await isRefusal(new Error("signed out"), hub)).toBe(false);
  vi.stubGlobal("fetch", async () => new Response(""));
  vi.stubGlobal("navigator", { onLine: false });
  expect(await isRefusal(new Error("signed out"), hub)).toBe(false);
});

test("f13 a late token function is reported after 30 s, and one in time is not", () => {
  vi.useFakeTimers();
  const late = vi.fn();
  const stop = onLate(late);
  onLate(late);
  stop();
  vi.advanceTimersByTime(tokenMsMax - 1);
  expect(late).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(late).toHaveBeenCalledTimes(1);
  expect(tokenTimeout()).toMatchObject({
    code: "token_timeout",
    hint: expect.stringContaining("reconnect()"),
  });
});
