// A client of longhaul.v1, written from docs/protocol.md alone. It imports nothing of the project.
// It verifies orders, chains and hashes of documents. It does not reconnect and stores nothing.

import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { xxh3 } from "./xxh3.mjs";

export const mediaType = "application/vnd.longhaul.v1";

// ---- Hashes: the chain (H7), public names (H8)

const low64 = (1n << 64n) - 1n;
const low48 = (1n << 48n) - 1n;

/** The chain of an empty log. */
export const firstChain = (epoch, topic) => Number(xxh3(Buffer.from(`${epoch}/${topic}`)) & low48);

/** The chain after an entry, from the chain before it. */
export function nextChain(chain, seq, at, payload) {
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(BigInt(seq));
  head.writeBigUInt64LE(BigInt(at), 8);
  return Number(xxh3(Buffer.concat([head, Buffer.from(payload)]), BigInt(chain)) & low48);
}

export const publicName = (producer) =>
  createHash("sha256").update(producer).digest("base64url").slice(0, 22);

// ---- JSON that keeps the text of numbers (D5): a number is { number: text }, an object is a Map

class Reader {
  at = 0;

  constructor(text) {
    this.text = text;
  }

  token(pattern) {
    const token = new RegExp(`[ \\t\\r\\n]*(${pattern})`, "y");
    token.lastIndex = this.at;
    const found = token.exec(this.text);
    if (found) this.at = token.lastIndex;
    return found?.[1];
  }

  expect(pattern) {
    const token = this.token(pattern);
    if (token === undefined) throw new Error(`no JSON at ${this.at} of ${this.text}`);
    return token;
  }

  value() {
    const token = this.expect('[[{]|"(?:[^"\\\\]|\\\\.)*"|-?\\d[\\d.eE+-]*|true|false|null');
    if (token === "[") return this.members("]", [], (list) => list.push(this.value()));
    if (token !== "{") return /^[-\d]/.test(token) ? { number: token } : JSON.parse(token);
    return this.members("}", new Map(), (map) => {
      const name = JSON.parse(this.expect('"(?:[^"\\\\]|\\\\.)*"'));
      this.expect(":");
      map.set(name, this.value());
    });
  }

  members(end, into, take) {
    if (this.token(`\\${end}`)) return into;
    do take(into);
    while (this.expect(`[,\\${end}]`) === ",");
    return into;
  }
}

export const parseJson = (text) => new Reader(text).value();

/** The texts of a batch's elements (H6): the chain needs the exact bytes of each payload. */
function elements(text) {
  const reader = new Reader(text);
  reader.expect("\\[");
  return reader.members("]", [], (texts) => {
    const start = reader.at;
    reader.value();
    texts.push(text.slice(start, reader.at));
  });
}

export function toJson(value) {
  if (value?.number) return value.number;
  if (Array.isArray(value)) return `[${value.map(toJson)}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  return `{${[...value].map(([name, member]) => `${JSON.stringify(name)}:${toJson(member)}`)}}`;
}

// ---- Documents

const textForm = (text) => Buffer.concat([Buffer.from(`"${text}`), Buffer.of(255)]);

/** The bytes that a document's hash covers (D8). */
export function canonical(value) {
  if (value === null || typeof value === "boolean") return Buffer.from(String(value)[0]);
  if (typeof value === "string") return textForm(value);
  if (value.number) {
    const [, minus, whole, fraction = "", e = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(
      value.number,
    );
    const digits = (whole + fraction).replace(/^0+/, "");
    const short = digits.replace(/0+$/, "");
    const exponent = Number(e) - fraction.length + digits.length - short.length;
    const written = short === "" ? "#" : `#${minus || "+"}${short}e${exponent}`;
    return Buffer.concat([Buffer.from(written), Buffer.of(255)]);
  }
  const inner = Array.isArray(value)
    ? value.map(canonical)
    : [...value]
        .map(([name, member]) => [Buffer.from(name), textForm(name), canonical(member)])
        .sort(([a], [b]) => Buffer.compare(a, b))
        .flatMap(([, name, member]) => [name, member]);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return Buffer.concat([Buffer.from(open), ...inner, Buffer.from(close)]);
}

export function documentHash(value) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of canonical(value)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & low64;
  return Number(hash & low48);
}

/** RFC 7396 */
export function applyMerge(target, merge) {
  if (!(merge instanceof Map)) return merge;
  const result = target instanceof Map ? new Map(target) : new Map();
  for (const [name, value] of merge) {
    if (value === null) result.delete(name);
    else result.set(name, applyMerge(result.get(name), value));
  }
  return result;
}

const token = (escaped) => escaped.replaceAll("~1", "/").replaceAll("~0", "~");

const member = (holder, name) =>
  holder instanceof Map
    ? holder.get(name)
    : Array.isArray(holder)
      ? holder[index(holder, name, 0)]
      : undefined;

function find(root, path) {
  const found = path.split("/").slice(1).map(token).reduce(member, root);
  if (found === undefined) throw new Error(`nothing at ${path}`);
  return found;
}

/** An element's index; with `more` 1 it may be that of a new element. */
function index(list, name, more) {
  const at = more === 1 && name === "-" ? list.length : /^(0|[1-9]\d*)$/.test(name) ? Number(name) : Infinity;
  if (at >= list.length + more) throw new Error(`no element ${name}`);
  return at;
}

/** Puts `values`, one or none, in place of `replaced` elements, 0 or 1. */
function put(root, path, replaced, ...values) {
  if (path === "") return values[0] ?? null;
  if (replaced === 1) find(root, path);
  const cut = path.lastIndexOf("/");
  const [parent, name] = [find(root, path.slice(0, cut)), token(path.slice(cut + 1))];
  if (Array.isArray(parent)) parent.splice(index(parent, name, 1 - replaced), replaced, ...values);
  else if (!(parent instanceof Map)) throw new Error(`nothing to hold ${path}`);
  else if (values.length === 0) parent.delete(name);
  else parent.set(name, values[0]);
  return root;
}

const copy = (value) => parseJson(toJson(value));

/**
 * RFC 6902 with the choices of D4. Throws if the patch does not apply; the given document stays
 * unchanged.
 */
export function applyPatch(document, patch) {
  let root = copy(document);
  for (const operation of patch) {
    const [op, path, from, value] = ["op", "path", "from", "value"].map((name) => operation.get(name));
    if (op === "add") root = put(root, path, 0, copy(value));
    else if (op === "replace") root = put(root, path, 1, copy(value));
    else if (op === "remove") root = put(root, path, 1);
    else if (op === "copy") root = put(root, path, 0, copy(find(root, from)));
    else if (op === "test") {
      if (!canonical(find(root, path)).equals(canonical(value))) throw new Error(`another value at ${path}`);
    } else if (op === "move") {
      const moved = find(root, from);
      if (path.startsWith(`${from}/`)) throw new Error("moved into itself");
      if (path !== from) root = put(put(root, from, 1), path, 0, moved);
    } else throw new Error(`no operation ${op}`);
  }
  return root;
}

// ---- Records (W2, W3)

const counted = (verbs) =>
  Object.fromEntries(verbs.split(" ").map((text) => [text.slice(0, -1), text.at(-1)]));
/** How many fields a verb has; the last one takes the rest of the record. */
const withRest = counted("refused3 m6 b6 snapshot5 patch6 merge6 nack4 close2 part3");
const others = counted("welcome2 subscribed5 resume_failed6 checkpoint3 ack5 ping1 pong1 ticket2 spread1");

export function parseRecord(text) {
  const [verb, ...words] = text.split(" ");
  const count = Number(withRest[verb] ?? others[verb]);
  if (!count) throw new Error(`unknown verb in ${text}`);
  const fields = words.splice(0, withRest[verb] ? count - 1 : count);
  if (withRest[verb]) fields.push(words.splice(0).join(" "));
  if (fields.length < count || fields.includes("")) throw new Error(`a field is missing in ${text}`);
  const options = words.map((option) => /^([^=]+)=(.*)$/.exec(option)?.slice(1));
  if (options.includes(undefined)) throw new Error(`no options at the end of ${text}`);
  return { verb, fields, options: Object.fromEntries(options), text };
}

const parseFrame = (text) => text.split("\n").filter(Boolean).map(parseRecord);

// ---- Subscriptions

/** Follows one topic, and throws if a record breaks the specification. */
export class Subscription {
  delivered = [];

  constructor(no, topic, options = "") {
    Object.assign(this, { no: String(no), topic, options: options && ` ${options}` });
  }

  /** The record that starts the subscription, or resumes it from its position. */
  record() {
    const from = this.epoch === undefined ? "start" : `${this.epoch}/${this.seq}/${this.chain}`;
    return `sub ${this.no} ${this.topic} ${from}${this.options}`;
  }

  /** Takes a record if it is about this subscription. */
  take({ verb, fields }) {
    const aboutOne = /^(subscribed|resume_failed|refused|m|b|snapshot|patch|merge|checkpoint)$/;
    if (!aboutOne.test(verb) || fields[0] !== this.no) return;
    const [, second, third, fourth, fifth] = fields;
    const rest = fields.at(-1);
    if (verb === "subscribed" || verb === "resume_failed") {
      const [epoch, seq, chain, head] = fields.slice(-4);
      const answer = verb === "subscribed" ? verb : second;
      Object.assign(this, { answer, epoch, seq: Number(seq), chain: Number(chain), head: Number(head) });
      if (seq === "0" && this.chain !== firstChain(epoch, this.topic)) throw new Error("another first chain");
    } else if (verb === "refused") this.answer = second;
    else if (verb === "snapshot") {
      Object.assign(this, { seq: Number(second), chain: Number(third), last: Number(fourth) });
      this.value = parseJson(rest);
      this.delivered.push({ verb, seq: this.seq });
    } else if (verb === "checkpoint") {
      if (Number(second) !== this.seq || Number(third) !== documentHash(this.value))
        throw new Error(`another document at ${this.seq} than the hub's at ${second}`);
      this.delivered.push({ verb, seq: this.seq });
    } else if (verb === "b") {
      const texts = elements(rest);
      if (texts.length !== 3 * third) throw new Error(`${texts.length} elements for ${third} messages`);
      for (let at = 0; at < texts.length; at += 3) {
        const id = texts[at + 2] === "0" ? "-" : JSON.parse(texts[at + 2]);
        const time = Number(fifth) + Number(texts[at + 1]);
        this.#entry("m", Number(second) + at / 3, time, id, texts[at], at + 3 === texts.length && fourth);
      }
    } else this.#entry(verb, Number(second), Number(fourth), fifth, rest, third);
  }

  #entry(verb, seq, at, id, payload, chain) {
    if (seq !== this.seq + 1) throw new Error(`seq ${seq} after ${this.seq}`);
    this.chain = nextChain(this.chain, seq, at, payload);
    this.seq = seq;
    if (chain && Number(chain) !== this.chain) throw new Error(`another chain at ${seq}: ${this.chain}`);
    if (this.value !== undefined && verb === "patch") this.value = applyPatch(this.value, parseJson(payload));
    if (this.value !== undefined && verb === "merge") this.value = applyMerge(this.value, parseJson(payload));
    this.delivered.push({ verb, seq, at, id, payload });
  }
}

// ---- Downlinks

/** Joins records that come in parts (W9), and gives all records in order to their subscriptions. */
class Downlink {
  #records = [];
  #arrived;
  #parts = "";

  frame(text) {
    for (const record of parseFrame(text)) {
      this.trace?.("<", record.text);
      const [index, left, part] = record.fields;
      if (record.verb === "part") this.#parts = index === "0" ? part : this.#parts + part;
      if (record.verb !== "part") this.#records.push(record);
      else if (left === "0") this.#records.push(parseRecord(this.#parts));
    }
    this.#arrived?.();
  }

  /** Handles records up to the first one that is `wanted`, and returns that. */
  async until(wanted, ...subscriptions) {
    for (;;) {
      while (this.#records.length === 0) await new Promise((resolve) => (this.#arrived = resolve));
      const record = this.#records.shift();
      for (const one of subscriptions) one.take(record);
      if (wanted(record)) return record;
    }
  }
}

/** A WebSocket (RFC 6455). It reports its close frame as a `close` record (T4). */
export class Socket extends Downlink {
  static async open(base, { offered = "longhaul.v1", trace } = {}) {
    const { hostname, port, host } = new URL(base);
    const socket = Object.assign(new Socket(), { trace });
    socket.tcp = connect(Number(port), hostname);
    const protocol = offered && `Sec-WebSocket-Protocol: ${offered}\r\n`;
    socket.tcp.write(
      `GET /v1/connect HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${protocol}` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
    socket.head = await new Promise((resolve) => socket.#read(resolve));
    return socket;
  }

  #read(opened) {
    let bytes = Buffer.alloc(0);
    this.tcp.on("data", (more) => {
      bytes = Buffer.concat([bytes, more]);
      if (opened) {
        const end = bytes.indexOf("\r\n\r\n");
        if (end < 0) return;
        opened(bytes.toString("latin1", 0, end));
        bytes = bytes.subarray(end + 4);
        opened = undefined;
      }
      for (;;) {
        const start = { 126: 4, 127: 10 }[bytes[1]] ?? 2;
        if (bytes.length < start) return;
        const length = start === 2 ? bytes[1] : start === 4 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6);
        if (bytes.length < start + length) return;
        const body = bytes.subarray(start, start + length);
        if (bytes[0] === 0x81) this.frame(body.toString());
        if (bytes[0] === 0x88) this.frame(`close ${body.readUInt16BE(0)} ${body.subarray(2)}`);
        bytes = bytes.subarray(start + length);
      }
    });
  }

  send(...records) {
    for (const record of records) this.trace?.(">", record);
    const body = Buffer.from(records.join("\n"));
    const head = body.length < 126 ? [128 | body.length] : [254, body.length >> 8, body.length & 255];
    const key = randomBytes(4);
    this.tcp.write(
      Buffer.concat([Buffer.of(0x81, ...head), key, body.map((byte, at) => byte ^ key[at % 4])]),
    );
  }

  close = () => this.tcp.destroy();
}

/** A post of T1, T2 or T3. `records` are those of the answer, if it is a frame. */
export async function post(base, path, records, headers = {}) {
  headers = { "content-type": mediaType, ...headers };
  const answer = await fetch(base + path, { method: "POST", headers, body: records.join("\n") });
  const text = await answer.text();
  const isFrame = answer.status === 200 && answer.headers.get("content-type") === mediaType;
  return { status: answer.status, text, records: isFrame ? parseFrame(text) : undefined };
}

export const publish = (base, ...records) => post(base, "/v1/publish", ["hello 1", ...records]);

/** One poll; its records go to the subscriptions. */
export async function poll(base, holdMs, ...subscriptions) {
  const subs = subscriptions.map((one) => one.record());
  const answer = await post(base, "/v1/poll", [`hello 1 hold=${holdMs}`, ...subs]);
  for (const record of answer.records) for (const one of subscriptions) one.take(record);
  return answer.records;
}

export class EventStream extends Downlink {
  static async open(base, subs, { trace } = {}) {
    const stream = Object.assign(new EventStream(), { trace });
    const { records } = await post(base, "/v1/session", ["hello 1", ...subs]);
    const url = `${base}/v1/events?ticket=${records[0].fields[0]}`;
    const answer = await fetch(url, { signal: stream.#end.signal });
    stream.#read(answer.body).catch(() => {});
    return stream;
  }

  #end = new AbortController();

  async #read(body) {
    let text = "";
    for await (const more of body.pipeThrough(new TextDecoderStream())) {
      const events = (text + more).split("\n\n");
      text = events.pop();
      const lines = events.flatMap((event) => event.split("\n"));
      this.frame(lines.map((line) => (line.startsWith("data: ") ? line.slice(6) : "")).join("\n"));
    }
  }

  close = () => this.#end.abort();
}
