// Checks what the user passes, at the call, and says exactly what is wrong with it.

import type { Options, PublishOptions, SubscribeOptions, TransportName } from "./api.js";
import { isSupported, transportNames } from "./diagnosis.js";
import { LonghaulError } from "./errors.js";
import { isToken, tokenHint } from "./token.js";

const topicName = /^[A-Za-z0-9\-_.~]+(?:\/[A-Za-z0-9\-_.~]+)*$/;
const topicCharsMax = 255;

const durationMsMax = 2 ** 31 - 1;

/** As src/config.rs has it: hubs remember what they had for a day longer. */
export const rowMsMax = 7 * 24 * 60 * 60 * 1000;

const poisons = ["continue", "pause"] as const;

const jitters = ["full", "half", "none"] as const;

/** The hub's addresses, as http or https and with a slash at the end. */
export function baseUrls(urls: string | URL | readonly (string | URL)[]): string[] {
  const list = Array.isArray(urls) ? urls : [urls];
  if (list.length === 0) {
    throw new LonghaulError("url_invalid", "the list of addresses is empty", { hint: "pass at least one" });
  }
  return list.map(baseUrl);
}

function baseUrl(address: string | URL): string {
  let url: URL;
  try {
    url = new URL(address, globalThis.location?.href);
  } catch (cause) {
    throw new LonghaulError("url_invalid", `not a URL: ${String(address)}`, {
      hint: "pass the hub's base address, such as https://hub.example.com",
      cause,
    });
  }
  const protocol = { "http:": "http:", "https:": "https:", "ws:": "http:", "wss:": "https:" }[url.protocol];
  if (protocol === undefined) {
    throw new LonghaulError("url_invalid", `a hub can't be reached by ${url.protocol}`, {
      hint: "use https, http, wss or ws",
    });
  }
  const path = url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
  return `${protocol}//${url.host}${path}`;
}

/** Throws unless `name` is a topic name. */
export function checkTopic(name: string): void {
  if (typeof name !== "string" || name.length > topicCharsMax || !topicName.test(name)) {
    throw new LonghaulError("topic_invalid", `not a topic name: ${JSON.stringify(name)}`, {
      hint: "1 to 255 characters: segments of letters, digits, - _ . ~ separated by /",
    });
  }
}

/** The numbers that the core wants to know of the jitter. */
export function jitterNumber(jitter: (typeof jitters)[number]): number {
  return jitters.indexOf(jitter);
}

/** Throws unless the options of connect make sense. */
export function checkOptions(options: Options): void {
  only("options", options, [
    "token",
    "transports",
    "backoff",
    "heartbeat",
    "outbox",
    "subject",
    "resume",
    "wasm",
    "documentsWasm",
    "onError",
  ]);
  const { token } = options;
  if (token !== undefined && typeof token !== "function" && (typeof token !== "string" || !isToken(token))) {
    throw new LonghaulError("option_invalid", "token is not usable", { hint: tokenHint });
  }
  checkTransports(options.transports);
  const { backoff, heartbeat, outbox, subject, resume, onError } = options;
  if (typeof resume === "object") {
    only("resume", resume, ["key"]);
    if (typeof resume.key !== "string") throw invalid("resume.key", resume.key, "a string");
  } else if (resume !== undefined && typeof resume !== "boolean") {
    throw invalid("resume", resume, "true, false or { key }");
  }
  if (backoff !== undefined) {
    only("backoff", backoff, ["baseMs", "factor", "capMs", "jitter", "attemptsMax"]);
    number("backoff.baseMs", backoff.baseMs, 1, durationMsMax);
    number("backoff.factor", backoff.factor, 1, 100);
    number("backoff.capMs", backoff.capMs, 1, durationMsMax);
    number("backoff.attemptsMax", backoff.attemptsMax, 1, 2 ** 31 - 1);
    if (backoff.jitter !== undefined && !jitters.includes(backoff.jitter)) {
      throw invalid("backoff.jitter", backoff.jitter, `one of ${jitters.join(", ")}`);
    }
    const { baseMs = 1_000, capMs = 30_000 } = backoff;
    if (baseMs > capMs) throw invalid("backoff.baseMs", baseMs, `at most backoff.capMs, which is ${capMs}`);
  }
  if (heartbeat !== undefined) {
    only("heartbeat", heartbeat, ["intervalMs", "timeoutMs"]);
    number("heartbeat.intervalMs", heartbeat.intervalMs, 100, durationMsMax);
    number("heartbeat.timeoutMs", heartbeat.timeoutMs, 100, durationMsMax);
  }
  if (outbox !== undefined && outbox !== false) {
    only("outbox", outbox, ["name", "ttlMs", "rowsMax", "bytesMax", "tokenUrl", "poison"]);
    if (outbox.name !== undefined && typeof outbox.name !== "string") {
      throw invalid("outbox.name", outbox.name, "a string");
    }
    if (outbox.tokenUrl !== undefined && typeof outbox.tokenUrl !== "string") {
      throw invalid("outbox.tokenUrl", outbox.tokenUrl, "a string");
    }
    if (outbox.poison !== undefined && !poisons.includes(outbox.poison)) {
      throw invalid("outbox.poison", outbox.poison, `one of ${poisons.join(", ")}`);
    }
    number("outbox.ttlMs", outbox.ttlMs, 1, rowMsMax);
    number("outbox.rowsMax", outbox.rowsMax, 1, 2 ** 31 - 1);
    number("outbox.bytesMax", outbox.bytesMax, 1, Number.MAX_SAFE_INTEGER);
  }
  if (subject !== undefined && typeof subject !== "string") throw invalid("subject", subject, "a string");
  if (onError !== undefined && typeof onError !== "function") throw invalid("onError", onError, "a function");
}

/** Throws unless the options of subscribe make sense. */
export function checkSubscribe(options: SubscribeOptions): void {
  only("options", options, ["from", "passive", "signal", "onGap"]);
  const { from, passive } = options;
  if (passive !== undefined && typeof passive !== "boolean") {
    throw invalid("passive", passive, "true or false");
  }
  if (typeof from === "number") number("from", from, 1, Number.MAX_SAFE_INTEGER, true);
  else if (from !== undefined && from !== "live" && from !== "start") {
    throw invalid("from", from, `"live", "start" or a seq`);
  }
}

/** Throws unless the options of publish make sense. */
export function checkPublish(options: PublishOptions): void {
  only("options", options, ["ttlMs", "key", "signal"]);
  number("ttlMs", options.ttlMs, 1, Number.MAX_SAFE_INTEGER);
  if (options.key !== undefined && typeof options.key !== "string") {
    throw invalid("key", options.key, "a string");
  }
}

/** Throws where a publication is to live longer in storage than hubs remember it. */
export function checkLife(ttlMs: number | undefined): void {
  number("ttlMs", ttlMs, 1, rowMsMax);
}

/** What the user wants and the browser has, by the core's numbers. */
export function transportNumbers(wanted: readonly TransportName[]): number[] {
  return wanted.filter(isSupported).map((name) => transportNames.indexOf(name));
}

function checkTransports(names: Options["transports"]): void {
  if (names === undefined) return;
  if (!Array.isArray(names) || names.length === 0)
    throw invalid("transports", names, "a list of at least one name");
  for (const name of names) {
    if (!transportNames.includes(name)) throw invalid("transports", name, `of ${transportNames.join(", ")}`);
  }
  if (new Set(names).size < names.length) throw invalid("transports", names, "a list without repetitions");
}

function only(name: string, given: object, keys: readonly string[]): void {
  if (typeof given !== "object" || given === null) throw invalid(name, given, "an object");
  for (const key of Object.keys(given)) {
    if (!keys.includes(key)) {
      throw new LonghaulError("option_invalid", `${name} has no ${key}`, {
        hint: `it knows ${keys.join(", ")}`,
      });
    }
  }
}

function number(name: string, value: number | undefined, min: number, max: number, isWhole = false): void {
  if (value === undefined) return;
  const fits =
    typeof value === "number" && value >= min && value <= max && (!isWhole || Number.isInteger(value));
  if (!fits) throw invalid(name, value, `a ${isWhole ? "whole " : ""}number from ${min} to ${max}`);
}

function invalid(name: string, value: unknown, wanted: string): LonghaulError {
  const shown = typeof value === "function" ? "a function" : JSON.stringify(value);
  return new LonghaulError("option_invalid", `${name} is ${shown}`, { hint: `it must be ${wanted}` });
}
