// Binds a Yjs document to a topic: its updates are the messages. Updates merge in any order and any
// number of times, so the topic must only deliver each of them, or report that it can't.

import type { Topic } from "longhaul";
import * as Y from "yjs";

/** How long updates collect into one message, ms: typing makes one a key. */
const gatherMs = 50;

/**
 * After this many messages a client publishes the whole state, so that later clients need not read
 * them all.
 */
const messagesPerState = 200;

/**
 * Keeps `doc` in step with all documents that are bound to the topic. Returns a function that ends
 * it. `onError` receives changes that could not be kept.
 */
export function bind(
  doc: Y.Doc,
  topic: Topic<string>,
  onError: (error: unknown) => void = console.error,
): () => void {
  const stop = new AbortController();
  let gathered: Uint8Array[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sinceState = 0;

  const publish = (update: Uint8Array): void => {
    // It waits for the network if need be, and takes effect once.
    topic.publish(toText(update)).catch(onError);
  };

  const flush = (): void => {
    timer = undefined;
    const updates = gathered;
    gathered = [];
    publish(Y.mergeUpdates(updates));
  };

  const changed = (update: Uint8Array, origin: unknown): void => {
    // Updates from the topic are on it already.
    if (origin === topic) return;
    gathered.push(update);
    timer ??= setTimeout(flush, gatherMs);
  };

  const publishState = (): void => {
    sinceState = 0;
    publish(Y.encodeStateAsUpdate(doc));
  };

  doc.on("update", changed);
  topic.subscribe(
    ({ data }) => {
      Y.applyUpdate(doc, fromText(data), topic);
      // At random, so that not every client does it at once.
      if (++sinceState > messagesPerState * (1 + Math.random())) publishState();
    },
    {
      from: "start",
      signal: stop.signal,
      // Other clients may have what is gone: each client with a gap publishes all that it knows.
      onGap: publishState,
    },
  );
  return () => {
    stop.abort();
    doc.off("update", changed);
    clearTimeout(timer);
    if (gathered.length > 0) flush();
  };
}

function toText(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function fromText(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
