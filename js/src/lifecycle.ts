// Notices that the page goes to sleep or may have slept, or that the network may have changed.
//
// The latter are reasons to look, never proofs: what looks open is probed, what waits is hurried.

import type { Core } from "./wasm/longhaul.js";

/**
 * Between looks at the clocks while the page can be seen: a page that is awake again may hear of it by nothing else.
 * Chosen: with the time that a probe has, all is well 5 s after a wake.
 */
const watchMs = 2_000;

/** The longest that a browser knows; a longer one fires at once. */
const timerMsMax = 2 ** 31 - 1;

/** What this page or worker has of it: a worker has no document, and few browsers tell of their network. */
const scope = globalThis as {
  readonly document?: Document;
  readonly navigator?: { readonly connection?: EventTarget };
} & Partial<EventTarget>;

/** Tells the core until the signal is aborted. */
export function watch(core: Core, signal: AbortSignal): void {
  const hear = ({ type, persisted }: Event & { readonly persisted?: boolean }): void => {
    if (type === "online" || type === "offline") core.online(type === "online");
    else if (type === "pagehide" || type === "freeze") core.suspend();
    else if (type === "visibilitychange" && isHidden()) return;
    // Each page has one when it is loaded.
    else if (type === "pageshow" && !persisted) return;
    else core.woke();
  };
  const listen = (target: Partial<EventTarget> | undefined, ...types: string[]): void => {
    for (const type of types) target?.addEventListener?.(type, hear, { signal });
  };
  listen(scope, "online", "offline", "pagehide", "pageshow");
  listen(scope.document, "visibilitychange", "freeze", "resume");
  listen(scope.navigator?.connection, "change");
}

/** How long a timer may be, ms: so that the clocks are looked at while the page can be seen. */
export function restMs(): number {
  return isHidden() ? timerMsMax : watchMs;
}

function isHidden(): boolean {
  return scope.document?.visibilityState === "hidden";
}
