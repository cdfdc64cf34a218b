import { expect, test, vi } from "vitest";
import type { Options, PublishOptions, SubscribeOptions } from "./api.js";
import { rowMsMax } from "./boundary.js";
import {
  baseUrls,
  checkOptions,
  checkPublish,
  checkSubscribe,
  checkTopic,
  checkTtl,
  checkWatch,
} from "./options.js";

const msMax = 2 ** 31 - 1;
const circle: Record<string, unknown> = {};
circle["self"] = circle;

/** An option, a value, and the error: its message, and the part of its hint about the value. */
type Refused = readonly [option: string, value: unknown, message: string, hint: string | RegExp];

/** An option by its path, as an object of options. */
function given(path: string, value: unknown): object {
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;
}

function refusal(act: () => void): { code: string; message: string; hint: string } {
  try {
    act();
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    return { code, message, hint };
  }
  return expect.unreachable("nothing was thrown");
}

const notAnObject = "it must be an object";
const numbers = (min: number, max: number) => `it must be a number from ${min} to ${max}`;
const names = "it must be of websocket, eventsource, longpoll";
const notEmpty = "it must be a list of at least one name";
/** The hint for a text. */
function upTo(charsMax: number): string {
  return `it must be a string of at most ${charsMax} characters`;
}
/** A text, and how an error shows one that is long. */
const long = (chars: number): string => "x".repeat(chars);
const cut = `"${long(299)}…`;
const token = /^a token is a string of 1 to 8192 visible ASCII characters/;

const refusedOfConnect: Refused[] = [
  ["token", "", "token is not usable", token],
  ["token", 5, "token is not usable", token],
  ["token", null, "token is not usable", token],
  ["token", "two words", "token is not usable", token],
  ["transports", [], "transports is []", notEmpty],
  ["transports", "websocket", 'transports is "websocket"', notEmpty],
  ["transports", ["websocket", "carrier pigeon"], 'transports is "carrier pigeon"', names],
  [
    "transports",
    ["longpoll", "longpoll"],
    'transports is ["longpoll","longpoll"]',
    "it must be a list without repetitions",
  ],
  ["backoff", 5, "backoff is 5", notAnObject],
  ["backoff", null, "backoff is null", notAnObject],
  ["backoff.baseMs", 0, "backoff.baseMs is 0", numbers(1, msMax)],
  ["backoff.baseMs", "1", 'backoff.baseMs is "1"', numbers(1, msMax)],
  ["backoff.baseMs", 30_001, "backoff.baseMs is 30001", "it must be at most backoff.capMs, which is 30000"],
  ["backoff.factor", 0.5, "backoff.factor is 0.5", numbers(1, 100)],
  ["backoff.factor", 101, "backoff.factor is 101", numbers(1, 100)],
  ["backoff.capMs", msMax + 1, `backoff.capMs is ${msMax + 1}`, numbers(1, msMax)],
  ["backoff.capMs", 999, "backoff.baseMs is 1000", "it must be at most backoff.capMs, which is 999"],
  ["backoff.jitter", "some", 'backoff.jitter is "some"', "it must be one of full, half, none"],
  ["backoff.attemptsMax", 0, "backoff.attemptsMax is 0", numbers(1, msMax)],
  ["backoff.attempts", 3, "backoff has no attempts", /^it knows baseMs, factor, capMs, jitter, attemptsMax$/],
  ["heartbeat", false, "heartbeat is false", notAnObject],
  ["heartbeat.intervalMs", 99, "heartbeat.intervalMs is 99", numbers(100, msMax)],
  ["heartbeat.timeoutMs", msMax + 1, `heartbeat.timeoutMs is ${msMax + 1}`, numbers(100, msMax)],
  ["heartbeat.pongMs", 99, "heartbeat has no pongMs", /^it knows intervalMs, timeoutMs$/],
  ["outbox", true, "outbox is true", notAnObject],
  ["outbox.name", 5, "outbox.name is 5", upTo(255)],
  ["outbox.name", long(256), `outbox.name is "${long(256)}"`, upTo(255)],
  ["outbox.ttlMs", rowMsMax + 1, `outbox.ttlMs is ${rowMsMax + 1}`, numbers(1, rowMsMax)],
  ["outbox.ttlMs", 0, "outbox.ttlMs is 0", numbers(1, rowMsMax)],
  ["outbox.rowsMax", 0, "outbox.rowsMax is 0", numbers(1, msMax)],
  ["outbox.bytesMax", Number.NaN, "outbox.bytesMax is NaN", numbers(1, Number.MAX_SAFE_INTEGER)],
  ["outbox.tokenUrl", new URL("https://a/"), 'outbox.tokenUrl is "https://a/"', upTo(2_048)],
  ["outbox.tokenUrl", long(2_049), `outbox.tokenUrl is ${cut}`, upTo(2_048)],
  [
    "outbox.deadLetterPolicy",
    "stop",
    'outbox.deadLetterPolicy is "stop"',
    "it must be one of continue, pause",
  ],
  ["outbox.ttl", 5, "outbox has no ttl", /^it knows name, ttlMs, .*deadLetterPolicy$/],
  ["subject", 5n, "subject is 5", upTo(8_192)],
  ["subject", long(8_193), `subject is ${cut}`, upTo(8_192)],
  ["resume", "yes", 'resume is "yes"', "it must be true, false or { key }"],
  ["resume", null, "resume is null", "it must be true, false or { key }"],
  ["resume", {}, "resume.key is undefined", upTo(255)],
  ["resume", { key: undefined }, "resume.key is undefined", upTo(255)],
  ["resume.key", 5, "resume.key is 5", upTo(255)],
  ["resume.key", long(256), `resume.key is "${long(256)}"`, upTo(255)],
  ["resume.keys", "a", "resume has no keys", "it knows key"],
  ["onError", {}, "onError is {}", "it must be a function"],
  ["onError", circle, "onError is [object Object]", "it must be a function"],
  ["tokens", "a", "options has no tokens", /^it knows token, transports, .*onError$/],
];

test.for(refusedOfConnect)("connect refuses %s: %o, and says why", ([path, value, message, hint]) => {
  const error = refusal(() => checkOptions(given(path, value) as Options));
  expect(error).toMatchObject({ code: "option_invalid", message });
  expect(error.hint).toMatch(hint);
});

test.for([5, "options", null, undefined, () => {}])("options that are %o are refused", (options) => {
  expect(refusal(() => checkOptions(options as never))).toMatchObject({
    code: "option_invalid",
    hint: notAnObject,
  });
});

test("a token has at most 8192 characters, and a topic 255", () => {
  const long = "x".repeat(8_192);
  expect(() => checkOptions({ token: long })).not.toThrow();
  expect(refusal(() => checkOptions({ token: `${long}x` }))).toMatchObject({ code: "option_invalid" });
  expect(() => checkTopic(long.slice(0, 255))).not.toThrow();
  expect(refusal(() => checkTopic(long.slice(0, 256)))).toMatchObject({ code: "topic_invalid" });
});

test("an address has at most 2048 characters", () => {
  const address = "https://hub.test/".padEnd(2_047, "x");
  expect(baseUrls(address)[0]).toHaveLength(2_048);
  expect(refusal(() => baseUrls(`${address}xx`))).toMatchObject({ code: "url_invalid" });
});

test("a token that is refused is not shown", () => {
  expect(JSON.stringify(refusal(() => checkOptions({ token: "a secret" })))).not.toContain("secret");
});

test.for<[string, unknown]>([
  ["token", "a.token"],
  ["token", () => "later"],
  ["transports", ["longpoll", "websocket", "eventsource"]],
  ["backoff.baseMs", 1],
  ["backoff.baseMs", 30_000],
  ["backoff.factor", 1],
  ["backoff.factor", 100],
  ["backoff.capMs", msMax],
  ["backoff.jitter", "none"],
  ["backoff.attemptsMax", msMax],
  ["heartbeat.intervalMs", 100],
  ["heartbeat.timeoutMs", msMax],
  ["outbox", false],
  ["outbox", {}],
  ["outbox.name", "mine"],
  ["outbox.ttlMs", rowMsMax],
  ["outbox.rowsMax", 1],
  ["outbox.bytesMax", Number.MAX_SAFE_INTEGER],
  ["outbox.tokenUrl", "/token"],
  ["outbox.deadLetterPolicy", "pause"],
  ["subject", ""],
  ["subject", long(8_192)],
  ["outbox.name", long(255)],
  ["outbox.tokenUrl", long(2_048)],
  ["resume", true],
  ["resume", false],
  ["resume.key", "a"],
  ["wasm", new Uint8Array()],
  ["documentsWasm", "/documents.wasm"],
  ["onError", () => {}],
  ["onError", undefined],
  ["backoff.factor", undefined],
])("connect takes %s: %o", ([path, value]) => {
  expect(() => checkOptions(given(path, value) as Options)).not.toThrow();
});

test.for<Refused>([
  ["from", 0, "from is 0", `it must be a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`],
  ["from", 1.5, "from is 1.5", `it must be a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`],
  ["from", "end", 'from is "end"', 'it must be "live", "start" or a seq'],
  ["passive", 1, "passive is 1", "it must be true or false"],
  ["signal", {}, "signal is {}", "it must be an AbortSignal"],
  ["signal", 5, "signal is 5", "it must be an AbortSignal"],
  ["onGap", true, "onGap is true", "it must be a function"],
  ["since", 1, "options has no since", "it knows from, passive, signal, onGap"],
])("subscribe refuses %s: %o, and says why", ([path, value, message, hint]) => {
  const error = refusal(() => checkSubscribe(given(path, value) as SubscribeOptions));
  expect(error).toEqual({ code: "option_invalid", message, hint });
});

test.for<SubscribeOptions>([
  {},
  { from: "live", passive: true },
  { from: "start", passive: false, onGap() {} },
  { from: 1, signal: new AbortController().signal },
  { from: Number.MAX_SAFE_INTEGER, signal: null as never },
])("subscribe takes %o", (options) => {
  expect(() => checkSubscribe(options)).not.toThrow();
});

test.for<Refused>([
  ["ttlMs", 0, "ttlMs is 0", numbers(1, Number.MAX_SAFE_INTEGER)],
  ["ttlMs", Number.POSITIVE_INFINITY, "ttlMs is Infinity", numbers(1, Number.MAX_SAFE_INTEGER)],
  ["ttlMs", "1 h", 'ttlMs is "1 h"', numbers(1, Number.MAX_SAFE_INTEGER)],
  ["key", 5, "key is 5", upTo(255)],
  ["key", long(256), `key is "${long(256)}"`, upTo(255)],
  ["signal", "abort", 'signal is "abort"', "it must be an AbortSignal"],
  ["ttl", 5, "options has no ttl", "it knows ttlMs, key, signal"],
])("publish refuses %s: %o, and says why", ([path, value, message, hint]) => {
  const error = refusal(() => checkPublish(given(path, value) as PublishOptions));
  expect(error).toEqual({ code: "option_invalid", message, hint });
});

test("a document's subscribe refuses what is no signal, and options that it does not know", () => {
  expect(() => checkWatch({ at: "/a", signal: new AbortController().signal })).not.toThrow();
  expect(refusal(() => checkWatch({ signal: {} as never }))).toEqual({
    code: "option_invalid",
    message: "signal is {}",
    hint: "it must be an AbortSignal",
  });
  expect(refusal(() => checkWatch({ from: 1 } as never))).toMatchObject({ message: "options has no from" });
});

test("publish takes any time to live, and storage at most seven days of it", () => {
  const { signal } = new AbortController();
  expect(() => checkPublish({ ttlMs: rowMsMax + 1, key: long(255), signal })).not.toThrow();
  expect(() => checkTtl(rowMsMax)).not.toThrow();
  expect(() => checkTtl(undefined)).not.toThrow();
  const hint = numbers(1, 7 * 24 * 60 * 60 * 1_000);
  expect(refusal(() => checkTtl(rowMsMax + 1))).toMatchObject({ code: "option_invalid", hint });
});

test.for(["a", "a/b", "A-z_0.9~/x", "a/.b/..."])("%s is a topic", (name) => {
  expect(() => checkTopic(name)).not.toThrow();
});

test.for([
  "",
  "/",
  "a/",
  "/a",
  "a//b",
  ".",
  "..",
  "a/..",
  "../a",
  "a/./b",
  "a b",
  "ä",
  "a?b",
  "a\n",
  5,
  undefined,
  ["a"],
])("%o is no topic", (name) => {
  expect(refusal(() => checkTopic(name as string))).toMatchObject({
    code: "topic_invalid",
    hint: "1 to 255 characters: segments of letters, digits, - _ . ~ separated by /",
  });
});

test.for([
  ["https://hub.test", "https://hub.test/"],
  ["wss://hub.test:444/a", "https://hub.test:444/a/"],
  ["ws://hub.test/a/", "http://hub.test/a/"],
  ["HTTP://hub.test/a?b#c", "http://hub.test/a/"],
])("the address %s is %s", ([address = "", base]) => {
  expect(baseUrls(address)).toEqual([base]);
  expect(baseUrls(new URL(address))).toEqual([base]);
});

test("addresses keep their order, and are relative to the page", () => {
  vi.stubGlobal("location", new URL("https://app.test/in/here"));
  expect(baseUrls(["https://b.test", new URL("https://a.test"), "hub", "/hub"])).toEqual([
    "https://b.test/",
    "https://a.test/",
    "https://app.test/in/hub/",
    "https://app.test/hub/",
  ]);
});

test.for<[unknown, string]>([
  [[], "the list of addresses has 0"],
  [Array(101), "the list of addresses has 101"],
  ["", 'not a URL: ""'],
  [" ", 'not a URL: " "'],
  [5, "not a URL: 5"],
  [undefined, "not a URL: undefined"],
  [["https://hub.test", null], "not a URL: null"],
  [() => "https://hub.test", "not a URL: a function"],
  ["https://", 'not a URL: "https://"'],
  ["file:///hub", "a hub can't be reached over file:"],
])("the address %o is refused", ([address, message]) => {
  // In a page "" would be a valid address.
  vi.stubGlobal("location", new URL("https://app.test/"));
  const error = refusal(() => baseUrls(address as string));
  expect(error).toMatchObject({ code: "url_invalid", message, hint: expect.any(String) });
});

test("without a page a relative address is none", () => {
  expect(refusal(() => baseUrls("/hub"))).toMatchObject({ code: "url_invalid" });
});

test("an option that throws when it is read has a code", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const invalid = expect.objectContaining({ code: "option_invalid" });
  expect(() => checkOptions(proxy)).toThrow(invalid);
  expect(() => checkOptions({ backoff: proxy })).toThrow(invalid);
  expect(() => baseUrls(proxy as string)).toThrow(expect.objectContaining({ code: "url_invalid" }));
  const throwing = {
    get ttlMs(): number {
      throw new Error("mine");
    },
  };
  expect(() => checkPublish(throwing)).toThrow(
    expect.objectContaining({ code: "option_invalid", cause: new Error("mine") }),
  );
});
