// Parts of browsers' event targets that Node lacks: handlers as properties, and close events.

/** A close event for engines without one. */
class OwnCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor(type: string, init: CloseEventInit = {}) {
    super(type, init);
    this.code = init.code ?? 0;
    this.reason = init.reason ?? "";
    this.wasClean = init.wasClean ?? false;
  }
}

export function closeEvent(init: CloseEventInit): Event {
  return new (globalThis.CloseEvent ?? OwnCloseEvent)("close", init);
}

/**
 * Defines `onopen` and similar properties. A handler keeps the position among the listeners at
 * which the first one was set. Source: HTML, section 8.1.8.1.
 */
export function defineHandlers(prototype: EventTarget, types: readonly string[]): void {
  for (const type of types) {
    const handlers = new WeakMap<EventTarget, { handler: unknown }>();
    Object.defineProperty(prototype, `on${type}`, {
      configurable: true,
      enumerable: true,
      get(this: EventTarget) {
        return handlers.get(this)?.handler ?? null;
      },
      set(this: EventTarget, handler: unknown) {
        const value = typeof handler === "function" ? handler : null;
        const known = handlers.get(this);
        if (known !== undefined) {
          known.handler = value;
          return;
        }
        const made: { handler: unknown } = { handler: value };
        handlers.set(this, made);
        this.addEventListener(type, (event) => {
          if (typeof made.handler === "function") made.handler.call(this, event);
        });
      },
    });
  }
}
