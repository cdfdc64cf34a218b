import type { Client, DeadLetter, Status } from "longhaul";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { notifyError } from "./notices";

export function useStatus(client: Client): Status {
  const subscribe = useCallback((onChange: () => void) => client.on("status", onChange), [client]);
  return useSyncExternalStore(subscribe, () => client.status);
}

/** How many publications wait to be sent. */
export function useUnsent(client: Client): number {
  const subscribe = useCallback((onChange: () => void) => client.on("outbox", onChange), [client]);
  return useSyncExternalStore(subscribe, () => client.outbox.size);
}

export function useDeadLetters(client: Client) {
  const [deadLetters, setDeadLetters] = useState<readonly DeadLetter[]>([]);

  useEffect(() => {
    const add = (more: readonly DeadLetter[]) =>
      setDeadLetters((known) => [
        ...known,
        ...more.filter(({ id }) => !known.some((each) => each.id === id)),
      ]);
    // The event may come before deadLetters() has the dead letter, so the hook listens to both.
    client.outbox.deadLetters().then(add, notifyError);
    return client.on("deadletter", (each) => add([each]));
  }, [client]);

  const settle = (id: string, settled: Promise<void>) =>
    settled.then(() => setDeadLetters((known) => known.filter((each) => each.id !== id)), notifyError);
  return {
    deadLetters,
    retry: (id: string) => settle(id, client.outbox.retry(id)),
    discard: (id: string) => settle(id, client.outbox.discard(id)),
  };
}
