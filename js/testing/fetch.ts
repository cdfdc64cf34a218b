// fetch as browsers have it, answered by the hub of a test.

import { type Answering, Exchange } from "./exchange.js";
import type { Room } from "./room.js";

/**
 * What a page of another origin may read of an answer. Source: the fetch standard, and what the hub
 * exposes.
 */
const readable =
  /^(cache-control|content-language|content-length|content-type|etag|expires|last-modified|pragma|retry-after)$/;

const encoder = new TextEncoder();

export function makeFetch(room: Room): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const given = input instanceof Request ? input : undefined;
    const url = new URL(given?.url ?? String(input), globalThis.location?.href);
    const signal = init.signal ?? given?.signal;
    signal?.throwIfAborted();
    const method = (init.method ?? given?.method ?? "GET").toUpperCase();
    const headers = new Headers(init.headers ?? given?.headers);
    const content = init.body ?? given?.body ?? null;
    const { body, type } = plain(content) ?? (await bytesOf(content));
    if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
    const isCross = url.origin !== room.origin;
    if (isCross || method !== "GET") headers.set("origin", room.origin);
    return ask(room, { method, url, headers, body }, isCross, signal ?? undefined);
  };
}

type Asked = ConstructorParameters<typeof Exchange>[1];

function ask(room: Room, asked: Asked, isCross: boolean, signal: AbortSignal | undefined): Promise<Response> {
  return new Promise((resolve, reject) => {
    let rest: ReadableStreamDefaultController<Uint8Array> | undefined;
    const over = (): void => signal?.removeEventListener("abort", abort);
    const abort = (): void => {
      over();
      exchange.abort();
      reject(signal?.reason);
      rest?.error(signal?.reason);
    };
    const client: Answering = {
      head(status, headers, text, isWhole) {
        if (isWhole) over();
        // Any page may read why a client of its origin is refused; the rest it must not even see.
        if (isCross && !room.isOriginServed(room.origin) && !isForClients(asked.url)) {
          reject(failure());
          return;
        }
        const body = isWhole
          ? text
          : new ReadableStream<Uint8Array>({
              start(controller) {
                rest = controller;
                controller.enqueue(encoder.encode(text));
              },
              cancel() {
                over();
                exchange.abort();
              },
            });
        const isEmpty = status === 204 || status === 304;
        for (const name of isCross ? [...headers.keys()] : []) {
          if (!readable.test(name)) headers.delete(name);
        }
        const response = new Response(isEmpty ? null : body, { status, headers });
        Object.defineProperty(response, "url", { value: asked.url.href });
        resolve(response);
      },
      more: (text) => rest?.enqueue(encoder.encode(text)),
      end() {
        over();
        rest?.close();
      },
      failed() {
        over();
        reject(failure());
        rest?.error(failure());
      },
    };
    const exchange = new Exchange(room, asked, client);
    signal?.addEventListener("abort", abort);
  });
}

function isForClients(url: URL): boolean {
  return /^\/v1\/(publish|session|poll|events)$/.test(url.pathname);
}

function failure(): TypeError {
  return new TypeError("Failed to fetch");
}

interface Content {
  readonly body: Uint8Array;
  /** The content type that it has by itself. */
  readonly type?: string;
}

/** What needs no reading, so that the request leaves in the same turn. */
function plain(body: BodyInit | null): Content | undefined {
  if (body === null) return { body: new Uint8Array() };
  if (typeof body !== "string") return undefined;
  return { body: encoder.encode(body), type: "text/plain;charset=UTF-8" };
}

async function bytesOf(body: BodyInit | null): Promise<Content> {
  const response = new Response(body);
  const type = response.headers.get("content-type");
  const bytes = new Uint8Array(await response.arrayBuffer());
  return type === null ? { body: bytes } : { body: bytes, type };
}
