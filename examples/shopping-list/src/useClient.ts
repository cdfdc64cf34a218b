import type { Client, DeadLetter, Status } from "longhaul";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { notifyError } from "./notices";

export function useStatus(client: Client): Status {
  const subscribe = useCallback((tell: () => void) => client.on("status", tell), [client]);
  return useSyncExternalStore(subscribe, () => client.status);
}

/** How many publications wait to be sent. */
export function useUnsent(client: Client): number {
  const subscribe = useCallback((tell: () => void) => client.on("outbox", tell), [client]);
  return useSyncExternalStore(subscribe, () => client.outbox.size);
}

export function useDeadLetters(client: Client) {
  const [letters, setLetters] = useState<readonly DeadLetter[]>([]);

  useEffect(() => {
    const add = (more: readonly DeadLetter[]) =>
      setLetters((known) => [
        ...known,
        ...more.filter(({ id }) => !known.some((letter) => letter.id === id)),
      ]);
    // The event may come before deadLetters() has the dead letter, so the hook listens to both.
    client.outbox.deadLetters().then(add, notifyError);
    return client.on("deadletter", (letter) => add([letter]));
  }, [client]);

  const settle = (id: string, settled: Promise<void>) =>
    settled.then(() => setLetters((known) => known.filter((letter) => letter.id !== id)), notifyError);
  return {
    letters,
    retry: (id: string) => settle(id, client.outbox.retry(id)),
    discard: (id: string) => settle(id, client.outbox.discard(id)),
  };
}
