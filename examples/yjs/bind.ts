// A Yjs document over a topic: its updates are the messages. Updates merge in any order and any
// number of times, so all that the topic has to do is to bring each of them to everybody, or to say
// that it can't.

import type { Topic } from "longhaul";
import * as Y from "yjs";

/** Updates of this time are one message, ms: typing makes one a key. */
const gatherMs = 50;

/**
 * After so many messages somebody publishes the whole state, so that those who come later need not
 * have seen them all.
 */
const messagesPerState = 200;

/**
 * Keeps `doc` in step with everybody who binds a document to the same topic. Returns how to stop.
 * `onError` hears what could not be kept.
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
    // What came from the topic is on it already.
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
      // By lot, so that not everybody does it at once.
      if (++sinceState > messagesPerState * (1 + Math.random())) publishState();
    },
    {
      from: "start",
      signal: stop.signal,
      // What is gone, others may have: everybody who misses something says all that it knows.
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
