// The page's one timer, and the hub's clock as seen from here.

const tickMs = 100;

/** Calls the listener ten times a second, and at once when the page comes back to the front. */
export function everyTick(listener: (nowMs: number) => void): void {
  const tick = (): void => {
    if (!document.hidden) listener(Date.now());
  };
  setInterval(tick, tickMs);
  document.addEventListener("visibilitychange", tick);
}

export interface HubClock {
  /** Every message teaches: the one that travelled quickest is closest to the truth. */
  learn(publishedAtMs: number): void;
  /** A moment of this device on the hub's clock. */
  toHubMs(localMs: number): number;
}

export function createHubClock(): HubClock {
  let offsetMs: number | undefined;
  return {
    learn(publishedAtMs) {
      const ageMs = Date.now() - publishedAtMs;
      if (offsetMs === undefined || ageMs < offsetMs) offsetMs = ageMs;
    },
    toHubMs: (localMs) => localMs - (offsetMs ?? 0),
  };
}
