// A fetch as in browsers, to the hub of a test.

import type { Device } from "./device.js";
import { Exchange } from "./exchange.js";
import type { HubRequest, ResponseHandler } from "./request.js";

/**
 * The headers that a page of another origin may read. Source: the fetch standard, and the headers
 * that the hub exposes.
 */
const readable =
  /^(cache-control|content-language|content-length|content-type|etag|expires|last-modified|pragma|retry-after)$/;

/** jsdom has no TextEncoder, and nothing may run when the package is imported. */
const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export function makeFetch(device: Device): typeof globalThis.fetch {
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
    const isCross = url.origin !== device.origin;
    if (isCross || method !== "GET") headers.set("origin", device.origin);
    return ask(device, { method, url, headers, body }, { isCross, signal: signal ?? undefined });
  };
}

function ask(
  device: Device,
  request: HubRequest,
  { isCross, signal }: { isCross: boolean; signal: AbortSignal | undefined },
): Promise<Response> {
  return new Promise((resolve, reject) => {
    let rest: ReadableStreamDefaultController<Uint8Array> | undefined;
    const over = (): void => signal?.removeEventListener("abort", abort);
    const abort = (): void => {
      over();
      exchange.abort();
      reject(signal?.reason);
      rest?.error(signal?.reason);
    };
    const client: ResponseHandler = {
      head({ status, headers, text, isWhole }) {
        if (isWhole) over();
        // Any page may read why the hub refuses its client, and nothing else.
        if (isCross && !device.isOriginServed(device.origin) && !isForClients(request.url)) {
          reject(failure());
          return;
        }
        const body = isWhole
          ? text
          : new ReadableStream<Uint8Array>({
              start(controller) {
                rest = controller;
                controller.enqueue(utf8(text));
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
        Object.defineProperty(response, "url", { value: request.url.href });
        resolve(response);
      },
      more: (text) => rest?.enqueue(utf8(text)),
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
    const exchange = new Exchange(device, request, client);
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
  /** The default content type of such a body. */
  readonly type?: string;
}

/** A body that is there at once, so that the request leaves in the same turn. */
function plain(body: BodyInit | null): Content | undefined {
  if (body === null) return { body: new Uint8Array() };
  if (typeof body !== "string") return undefined;
  return { body: utf8(body), type: "text/plain;charset=UTF-8" };
}

async function bytesOf(body: BodyInit | null): Promise<Content> {
  const response = new Response(body);
  const type = response.headers.get("content-type");
  const bytes = new Uint8Array(await response.arrayBuffer());
  return type === null ? { body: bytes } : { body: bytes, type };
}
