// Checks the arguments of the app at the call, and describes each fault.

import type { Options, PublishOptions, SubscribeOptions } from "./api.js";
import {
  backoffAttemptsMax,
  backoffBaseMs,
  backoffCapMs,
  backoffFactor,
  heartbeatIntervalMs,
  heartbeatTimeoutMs,
  jitters,
  outboxBytesMax,
  outboxRowsMax,
  rowMsMax,
  tokenCharsMax,
  topicCharsMax,
  transportNames,
} from "./boundary.js";
import { found, pageLocation } from "./browser.js";
import { LonghaulError } from "./errors.js";
import { isToken, tokenHint } from "./token.js";

/** Segments between slashes. URLs would resolve `.` and `..`. */
const topicName = /^(?!\/)(?:(?:^|\/)(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/;

/** The limit of names that the client stores, such as keys and databases. Chosen: as for topics. */
export const nameCharsMax = 255;

/** Chosen: proxies and servers accept as many. */
const urlCharsMax = 2_048;

/** As long as a token, whose `sub` is the default. */
const subjectCharsMax = tokenCharsMax;

/** The limit of a value in the message of an error. */
const shownCharsMax = 300;

const addressesMax = 100;

const durationMsMax = 2 ** 31 - 1;

export const backoffDefaults = {
  baseMs: backoffBaseMs,
  factor: backoffFactor,
  capMs: backoffCapMs,
  jitter: "full",
  attemptsMax: backoffAttemptsMax,
} as const satisfies Options["backoff"];

/** For one that is missing beside the other: otherwise the hub's values count. */
export const heartbeatDefaults = {
  intervalMs: heartbeatIntervalMs,
  timeoutMs: heartbeatTimeoutMs,
} as const;

export const outboxDefaults = { rowsMax: outboxRowsMax, bytesMax: outboxBytesMax } as const;

/** The hub's addresses, with http or https and a slash at the end. Throws `url_invalid`. */
export function baseUrls(urls: string | URL | readonly (string | URL)[]): string[] {
  const list = found(() => Array.isArray(urls))
    ? (urls as readonly (string | URL)[])
    : [urls as string | URL];
  if (list.length === 0 || list.length > addressesMax) {
    throw new LonghaulError("url_invalid", `the list of addresses has ${list.length}`, {
      hint: `pass 1 to ${addressesMax}`,
    });
  }
  return list.map(baseUrl);
}

function baseUrl(address: string | URL): string {
  // `new URL` accepts anything: "" gives the page's own address, and 5 or undefined one below it.
  const isText = typeof address === "string" && address.trim() !== "";
  const url = found(() =>
    isText || address instanceof URL ? new URL(address, pageLocation()?.href) : undefined,
  );
  if (url === undefined) {
    throw new LonghaulError("url_invalid", `not a URL: ${shown(address)}`, {
      hint: "pass the hub's base address, such as https://hub.example.com",
    });
  }
  const protocol = { "http:": "http:", "https:": "https:", "ws:": "http:", "wss:": "https:" }[url.protocol];
  if (protocol === undefined) {
    throw new LonghaulError("url_invalid", `a hub can't be reached over ${url.protocol}`, {
      hint: "use https, http, wss or ws",
    });
  }
  const path = url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
  const base = `${protocol}//${url.host}${path}`;
  if (base.length > urlCharsMax) {
    throw new LonghaulError("url_invalid", `the address ${shown(base)} has ${base.length} characters`, {
      hint: `the limit is ${urlCharsMax}`,
    });
  }
  return base;
}

/** Throws `topic_invalid` unless `name` is a topic name. */
export function checkTopic(name: string): void {
  if (typeof name !== "string" || name.length > topicCharsMax || !topicName.test(name)) {
    throw new LonghaulError("topic_invalid", `not a topic name: ${shown(name)}`, {
      hint: "1 to 255 characters: segments of letters, digits, - _ . ~ separated by /",
    });
  }
}

/** Throws `option_invalid` unless `listener` is a function. `hint` says which. */
export function checkListener(listener: unknown, whose: string, hint: string): void {
  if (typeof listener === "function") return;
  throw new LonghaulError("option_invalid", `${whose} was given no listener`, { hint });
}

/** Checks the options of connect. Throws `option_invalid`. */
export function checkOptions(options: Options): void {
  check("options", options, connectRules);
}

/** Checks the options of subscribe. Throws `option_invalid`. */
export function checkSubscribe(options: SubscribeOptions): void {
  check("options", options, subscribeRules);
}

/** Checks the options of a document's subscribe. Throws `option_invalid`. */
export function checkWatch(options: { at?: string; signal?: AbortSignal }): void {
  check("options", options, watchRules);
}

/** Checks the options of publish. Throws `option_invalid`. */
export function checkPublish(options: PublishOptions): void {
  check("options", options, publishRules);
}

/** Checks the time to live of a durable row, which hubs must remember. Throws `option_invalid`. */
export function checkTtl(ttlMs: number | undefined): void {
  check("options", { ttlMs }, { ttlMs: durableTtl });
}

/** Returns what an option must be, unless it is that. */
type Rule = (value: unknown, name: string) => string | undefined;
type Rules = Readonly<Record<string, Rule>>;

const anything: Rule = () => undefined;
const callable: Rule = (value) => (typeof value === "function" ? undefined : "a function");
const durableTtl = between(1, rowMsMax);

/** `null` means none, as for fetch. */
const signal: Rule = (value) => {
  const { addEventListener, throwIfAborted } = (value ?? {}) as Partial<AbortSignal>;
  const isSignal = typeof addEventListener === "function" && typeof throwIfAborted === "function";
  return value === null || isSignal ? undefined : "an AbortSignal";
};

const backoffRules: Rules = {
  baseMs: between(1, durationMsMax),
  factor: between(1, 100),
  capMs: between(1, durationMsMax),
  jitter: oneOf(jitters),
  attemptsMax: between(1, 2 ** 31 - 1),
};

const heartbeatRules: Rules = {
  intervalMs: between(100, durationMsMax),
  timeoutMs: between(100, durationMsMax),
};

const outboxRules: Rules = {
  name: text(nameCharsMax),
  ttlMs: durableTtl,
  rowsMax: between(1, 2 ** 31 - 1),
  bytesMax: between(1, Number.MAX_SAFE_INTEGER),
  tokenUrl: text(urlCharsMax),
  deadLetterPolicy: oneOf(["continue", "pause"]),
};

const connectRules: Rules = {
  token(value) {
    if (typeof value === "function" || isToken(value)) return undefined;
    // The message must not contain a secret.
    throw new LonghaulError("option_invalid", "token is not usable", { hint: tokenHint });
  },
  transports(value, name) {
    if (!Array.isArray(value) || value.length === 0) return "a list of at least one name";
    for (const each of value) {
      if (!transportNames.includes(each)) throw invalid(name, each, `of ${transportNames.join(", ")}`);
    }
    return new Set(value).size < value.length ? "a list without repetitions" : undefined;
  },
  backoff(value, name) {
    check(name, value, backoffRules);
    const { baseMs, capMs } = { ...backoffDefaults, ...(value as Options["backoff"]) };
    if (baseMs > capMs) throw invalid("backoff.baseMs", baseMs, `at most backoff.capMs, which is ${capMs}`);
    return undefined;
  },
  heartbeat: (value, name) => check(name, value, heartbeatRules),
  outbox: (value, name) => (value === false ? undefined : check(name, value, outboxRules)),
  subject: text(subjectCharsMax),
  resume(value, name) {
    if (typeof value === "boolean") return undefined;
    if (typeof value !== "object" || value === null) return "true, false or { key }";
    const key = text(nameCharsMax);
    check(name, value, { key });
    const { key: given } = value as { key?: unknown };
    const wanted = key(given, name);
    if (wanted !== undefined) throw invalid("resume.key", given, wanted);
    return undefined;
  },
  wasm: anything,
  documentsWasm: anything,
  runOnServer: bool,
  onError: callable,
};

const subscribeRules: Rules = {
  from(value) {
    if (typeof value === "number") return whole(1, Number.MAX_SAFE_INTEGER)(value);
    return value === "live" || value === "start" ? undefined : `"live", "start" or a seq`;
  },
  passive: bool,
  signal,
  onGap: callable,
};

const watchRules: Rules = { at: anything, signal };

const publishRules: Rules = {
  ttlMs: between(1, Number.MAX_SAFE_INTEGER),
  key: text(nameCharsMax),
  signal,
};

function bool(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "true or false";
}

function text(charsMax: number): Rule {
  return (value) =>
    typeof value === "string" && value.length <= charsMax
      ? undefined
      : `a string of at most ${charsMax} characters`;
}

function between(min: number, max: number): (value: unknown) => string | undefined {
  return (value) =>
    typeof value === "number" && value >= min && value <= max ? undefined : `a number from ${min} to ${max}`;
}

function whole(min: number, max: number): (value: unknown) => string | undefined {
  const inRange = between(min, max);
  return (value) =>
    Number.isInteger(value) && inRange(value) === undefined
      ? undefined
      : `a whole number from ${min} to ${max}`;
}

function oneOf(words: readonly unknown[]): Rule {
  return (value) => (words.includes(value) ? undefined : `one of ${words.join(", ")}`);
}

/**
 * Throws `option_invalid` unless `given` has only names that have rules, and values that follow
 * them. `name` is the path of a nested part.
 */
function check(name: string, given: unknown, rules: Rules): undefined {
  try {
    checkEach(name, given, rules);
  } catch (cause) {
    if (cause instanceof LonghaulError) throw cause;
    // A getter or a proxy threw.
    throw new LonghaulError("option_invalid", `${name} can't be read: ${String(cause)}`, { cause });
  }
}

function checkEach(name: string, given: unknown, rules: Rules): void {
  if (typeof given !== "object" || given === null) throw invalid(name, given, "an object");
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(rules, key)) continue;
    throw new LonghaulError("option_invalid", `${name} has no ${key}`, {
      hint: `it knows ${Object.keys(rules).join(", ")}`,
    });
  }
  for (const key in rules) {
    const value = (given as Record<string, unknown>)[key];
    const path = name === "options" ? key : `${name}.${key}`;
    const wanted = value === undefined ? undefined : rules[key]?.(value, path);
    if (wanted !== undefined) throw invalid(path, value, wanted);
  }
}

function invalid(name: string, value: unknown, wanted: string): LonghaulError {
  return new LonghaulError("option_invalid", `${name} is ${shown(value)}`, { hint: `it must be ${wanted}` });
}

/**
 * A value for the message of an error. Some have no JSON, and NaN and Infinity would become null.
 */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "number") return String(value);
  const text = found(() => JSON.stringify(value)) ?? found(() => String(value)) ?? typeof value;
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text;
}
