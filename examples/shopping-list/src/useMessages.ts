import type { Gap, Message, Topic } from "longhaul";
import { useEffect, useState } from "react";

export type Entry<T> = { kind: "message"; message: Message<T> } | { kind: "gap"; gap: Gap };

/** All retained and future messages of a topic, oldest first, with gaps in their place. */
export function useMessages<T>(topic: Topic<T>): readonly Entry<T>[] {
  const [entries, setEntries] = useState<readonly Entry<T>[]>([]);

  useEffect(() => {
    // Each subscription starts at the beginning again, so each has its own history.
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
