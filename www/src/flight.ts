// The airplane switch: a page whose line is cut holds a lock, and remembers that it does over a reload. The service worker looks
// at the lock (worker/flight.ts), because what it sends does not pass through the page's line.

import { readTabSetting, writeTabSetting } from "./settings";

/** Held by every page that flies; a page that closes lets go of it. */
export const flightLock = "longhaul-demo-airplane";
/** What a page says to the service worker once it is known whether it flies. */
export const arrived = "longhaul-demo-arrived";

const setting = "flight";

export interface Flight {
  /** Whether this page flew before it was loaded again. */
  readonly wasOn: boolean;
  set(isOn: boolean): void;
}

export function createFlight(): Flight {
  let land = (): void => {};
  const takeOff = async (): Promise<void> =>
    new Promise((isHeld) => {
      const flown = new Promise<void>((resolve) => {
        land = resolve;
      });
      const held = navigator.locks?.request(flightLock, () => {
        isHeld();
        return flown;
      });
      if (held === undefined) isHeld();
    });
  const tell = (): void => navigator.serviceWorker?.controller?.postMessage(arrived);
  const wasOn = readTabSetting(setting) === "on";
  if (wasOn) void takeOff().then(tell);
  else tell();
  return {
    wasOn,
    set(isOn) {
      writeTabSetting(setting, isOn ? "on" : "off");
      if (isOn) void takeOff();
      else land();
    },
  };
}
