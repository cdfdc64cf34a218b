import type { Gap, Message, Topic } from "longhaul";
import { useEffect, useState } from "react";

export type Entry<T> = { kind: "message"; message: Message<T> } | { kind: "gap"; gap: Gap };

/**
 * All that the hub retains of a topic and all that follows, oldest first, with the gaps where they
 * are.
 */
export function useMessages<T>(topic: Topic<T>): readonly Entry<T>[] {
  const [entries, setEntries] = useState<readonly Entry<T>[]>([]);

  useEffect(() => {
    // A subscription begins at the start again, so each has a history of its own.
    let history: readonly Entry<T>[] = [];
    const append = (entry: Entry<T>) => {
      history = [...history, entry];
      setEntries(history);
    };
    return topic.subscribe((message) => append({ kind: "message", message }), {
      from: "start",
      onGap: (gap) => append({ kind: "gap", gap }),
    });
  }, [topic]);

  return entries;
}
