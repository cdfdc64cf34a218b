// Connects pages to the hub of `longhaul/testing`. A dead page receives nothing, and a frozen page
// receives its events when it thaws.

import type { Line, TestBrowser, TestHub } from "longhaul/testing";
import type { Network, Page } from "./browser/page.js";

/** The network of one page. `tune` sets up its line. */
export function networkOf(hub: TestHub, page: Page, tune: (line: Line) => void): Network & { line: Line } {
  const browser = hub.browser({ origin: "https://app.test" });
  tune(browser.line);
  const scope = globalsOf(browser);
  const delivering = <T extends new (...args: never[]) => EventTarget>(base: T): T =>
    class extends (base as unknown as new (...args: unknown[]) => EventTarget) {
      override dispatchEvent(event: Event): boolean {
        if (page.isDead) return false;
        if (page.isFrozen) page.task(0, () => super.dispatchEvent(event));
        else super.dispatchEvent(event);
        return true;
      }
    } as unknown as T;
  return {
    line: browser.line,
    WebSocket: delivering(scope.WebSocket),
    EventSource: delivering(scope.EventSource),
    fetch: (url, init) =>
      new Promise((resolve, reject) => {
        scope.fetch(url, init).then(
          (response) => page.task(0, () => resolve(response)),
          (error: unknown) => page.task(0, () => reject(error)),
        );
      }),
    drop: () => browser.line.disconnect(),
  };
}

export function globalsOf(browser: TestBrowser): typeof globalThis {
  const scope = {
    WebSocket: class {},
    EventSource: class {},
    fetch: () => {},
  } as unknown as typeof globalThis;
  browser.install(scope);
  return scope;
}
