// The page's only timer, and its estimate of the hub's clock.

const tickMs = 100;

/** Calls the listener ten times a second, and at once when the page becomes visible. */
export function everyTick(listener: (nowMs: number) => void): void {
  const tick = (): void => {
    if (!document.hidden) listener(Date.now());
  };
  setInterval(tick, tickMs);
  document.addEventListener("visibilitychange", tick);
}

export interface HubClock {
  /** Learns from a message. The one with the shortest delay gives the best estimate. */
  learn(publishedAtMs: number): void;
  /** Converts a time of this device to the hub's clock. */
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
