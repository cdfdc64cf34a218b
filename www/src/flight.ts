// The airplane switch: a page whose line is cut holds a lock, also after a reload. The service
// worker checks the lock (worker/flight.ts), because its requests do not pass through the page's
// line.

import { readTabSetting, writeTabSetting } from "./settings";

/** Every page in flight mode holds this lock. A page that closes releases it. */
export const flightLock = "longhaul-demo-airplane";
/** A page sends this to the service worker after it has restored its flight mode. */
export const arrived = "longhaul-demo-arrived";

const setting = "flight";

export interface Flight {
  /** Whether this page was in flight mode before the reload. */
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
