import { beforeEach, expect, test, vi } from "vitest";
import { Endpoint } from "./endpoint.js";

const answers: Response[] = [];
const fetched = vi.fn(async () => answers.shift() ?? new Response("", { status: 500 }));
let no = 0;
/** The endpoint counts useless calls by address. */
const url = (): string => `/token-${++no}`;
const fresh = (): Endpoint => new Endpoint(url());

beforeEach(() => {
  answers.length = 0;
  fetched.mockClear();
  vi.stubGlobal("fetch", fetched);
  vi.useFakeTimers();
});

test("one POST with cookies serves all calls for a token", async () => {
  answers.push(new Response(" abc \n"));
  const endpoint = fresh();
  expect(await Promise.all([endpoint.token(undefined), endpoint.token(undefined)])).toEqual(["abc", "abc"]);
  expect(fetched).toHaveBeenCalledTimes(1);
  expect(fetched).toHaveBeenCalledWith(
    expect.stringMatching(/^\/token-/),
    expect.objectContaining({ method: "POST", credentials: "include", cache: "no-store" }),
  );
});

test("a refused token is replaced", async () => {
  answers.push(new Response("old"), new Response("new"));
  const endpoint = fresh();
  expect(await endpoint.token(undefined)).toBe("old");
  expect(await endpoint.token("old")).toBe("new");
});

test("an answer that is not 2xx is no token", async () => {
  answers.push(new Response("login", { status: 401 }));
  await expect(fresh().token(undefined)).rejects.toThrow("401");
});

test("s56 at most two calls a minute give no useful token, for any number of flushes", async () => {
  answers.push(new Response("a"), new Response("b"), new Response("c"));
  const at = url();
  const flush = new Endpoint(at);
  await flush.token(undefined);
  await flush.token("a");
  await expect(flush.token("b")).rejects.toThrow("two calls of");
  await expect(new Endpoint(at).token(undefined)).rejects.toThrow("two calls of");
  vi.advanceTimersByTime(60_000);
  expect(await new Endpoint(at).token(undefined)).toBe("c");
});

test("s56 a token that has sent rows resets the limit of calls", async () => {
  answers.push(new Response("a"), new Response("b"), new Response("c"));
  const at = url();
  for (const wanted of ["a", "b", "c"]) {
    const flush = new Endpoint(at);
    expect(await flush.token(undefined)).toBe(wanted);
    flush.succeeded();
  }
});

test("f24: it follows no redirect, and accepts no answer that is too long", async () => {
  answers.push(new Response("x".repeat(262_145)));
  await expect(fresh().token(undefined)).rejects.toThrow("more than 262144 bytes");
  expect(fetched).toHaveBeenCalledWith(
    expect.stringMatching(/^\/token-/),
    expect.objectContaining({ redirect: "error" }),
  );
});
