import { expect, test, vi } from "vitest";
import type { CloseCode, CloseReason, Diagnosis, Status } from "./api.js";
import { advise, type Findings, inspect, triedOf } from "./diagnosis.js";

const base = "https://hub.example.com/";
const reason = (code: CloseCode, message: string = code): CloseReason => ({ code, message });
const waiting = (code: CloseCode): Status => ({
  state: "waiting",
  attempt: 2,
  retryAtMs: 0,
  reason: reason(code),
});
const found: Findings = { answers: "none", forbidden: [], isMixed: false };
const blocked: Diagnosis["tried"] = [
  { transport: "websocket", outcome: "blocked", detail: "", tookMs: 1 },
  { transport: "eventsource", outcome: "ok", detail: "", tookMs: 1 },
];

function advice(status: Status, seen: Partial<Findings> = {}, tried: Diagnosis["tried"] = []): string {
  return advise({
    status,
    tried,
    findings: { ...found, ...seen },
    base,
    supported: ["websocket", "eventsource", "longpoll"],
    pollReason: undefined,
  });
}

/** Addresses with their answers. Every other address fails. */
function answering(answers: Record<string, string>): void {
  vi.stubGlobal("fetch", async (url: string) => {
    const text = Object.entries(answers).find(([start]) => url.startsWith(start))?.[1];
    if (text === undefined) throw new TypeError("Failed to fetch");
    return new Response(text);
  });
}

const isHub = '{"protocols":["longhaul.v1"]}';

test.each<[string, Status, Partial<Findings>, RegExp]>([
  ["the wasm", waiting("wasm_load_failed"), { answers: "hub" }, /could not be loaded.*wasm-unsafe-eval/],
  [
    "the wasm, for good",
    { state: "closed", reason: reason("wasm_load_failed") },
    { answers: "hub" },
    /could not be loaded/,
  ],
  ["close()", { state: "closed", reason: reason("done") }, { answers: "hub" }, /called close\(\)/],
  [
    "a hub that wants nobody back",
    { state: "closed", reason: reason("origin_refused", "not from here") },
    {},
    /not from here/,
  ],
  [
    "a policy",
    waiting("connection_lost"),
    { forbidden: ["wss:", "https:"] },
    /Content-Security-Policy forbids wss:\/\/hub\.example\.com and https:\/\/hub\.example\.com.*connect-src/,
  ],
  ["mixed content", waiting("connection_lost"), { isMixed: true }, /over https/],
  ["the scheme", waiting("connection_lost"), { other: "http://hub.example.com/" }, /wrong scheme/],
  ["no network for a token", waiting("token_unavailable"), {}, /check the network/],
  ["a token", waiting("token_unavailable"), { answers: "hub" }, /Sign in again/],
  [
    "a hub that makes it ask again",
    { state: "connected", transport: "websocket", sinceMs: 0, repeatAtMs: 1 },
    { answers: "hub" },
    /metrics\(\)\.repeats/,
  ],
])("f20 %s has its own advice, and no proxy is blamed", (_, status, seen, words) => {
  const told = advice(status, seen, blocked);
  expect(told).toMatch(words);
  expect(told).not.toMatch(/administrator|A proxy or firewall/);
});

test("f20 a WebSocket that a policy forbids is no proxy's fault, and one that is open is no fault", () => {
  const status: Status = { state: "connected", transport: "eventsource", sinceMs: 0 };
  expect(advice(status, { answers: "hub", forbidden: ["wss:"] }, blocked)).toMatch(/Content-Security-Policy/);
  expect(advice(status, { answers: "hub" }, blocked)).toMatch(/proxy or firewall/);
  const best: Status = { ...status, transport: "websocket" };
  expect(advice(best, { forbidden: ["https:"] })).toBe("All is well: nothing to do.");
});

test("f20 a hub with the other scheme is found", async () => {
  answering({ "http://hub.example.com/": isHub });
  expect(await inspect(base, [])).toEqual({ ...found, other: "http://hub.example.com/" });
  answering({ [base]: isHub, "http://hub.example.com/": isHub });
  expect(await inspect(base, [])).toEqual({ ...found, answers: "hub" });
  answering({});
  expect(await inspect(base, [])).toEqual(found);
});

test("f20 an insecure hub is mixed content for a secure page, but not on its own machine", async () => {
  answering({});
  vi.stubGlobal("location", { protocol: "https:", hostname: "app.example.com" });
  expect((await inspect("http://hub.example.com/", [])).isMixed).toBe(true);
  expect((await inspect("http://127.0.0.1:8787/", [])).isMixed).toBe(false);
  expect((await inspect("http://localhost:8787/", [])).isMixed).toBe(false);
  expect((await inspect(base, [])).isMixed).toBe(false);
});

test("f20 violations during the inspection are recorded by scheme, and only for the hub's address", async () => {
  const target = new EventTarget();
  const forbid = (blockedURI: string, effectiveDirective = "connect-src"): void => {
    target.dispatchEvent(
      Object.assign(new Event("securitypolicyviolation"), { blockedURI, effectiveDirective }),
    );
  };
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  vi.stubGlobal("removeEventListener", target.removeEventListener.bind(target));
  vi.stubGlobal("fetch", async () => {
    forbid("https://hub.example.com/.well-known/longhaul");
    forbid("https://elsewhere.example.com/");
    forbid("https://hub.example.com/x.png", "img-src");
    forbid("wasm-eval");
    throw new TypeError("Failed to fetch");
  });
  const opened: string[] = [];
  vi.stubGlobal(
    "WebSocket",
    class {
      constructor(url: string) {
        opened.push(url);
        forbid(url);
      }
      close(): void {}
    },
  );
  expect((await inspect(base, blocked)).forbidden).toEqual(["wss:", "https:"]);
  expect(opened).toEqual(["wss://hub.example.com/v1/connect"]);
  expect((await inspect(base, [])).forbidden).toEqual(["https:"]);
  expect(opened).toHaveLength(1);
});

test("the core's list of attempts becomes words", () => {
  const [ok, lost] = triedOf([0, 0, 0, 12, "", 2, 1, 1006, 7, ""]);
  expect(ok).toEqual({
    transport: "websocket",
    outcome: "ok",
    detail: "the hub sent its welcome",
    tookMs: 12,
  });
  expect(lost).toMatchObject({ transport: "longpoll", outcome: "blocked", tookMs: 7 });
  expect(triedOf([9, 0, 0, 0, ""])).toEqual([]);
});
