// The last minute of the connection: which state held when, drawn as one strip that ends in the present.

import type { Status } from "longhaul";
import { byId } from "./dom";
import { formatDuration } from "./format";

export const windowMs = 60_000;
/** Spans are kept a little longer than they are shown, because the charts run on the hub's clock. */
const keptMs = windowMs + 15_000;
const svgNamespace = "http://www.w3.org/2000/svg";

export type State = Status["state"];
export interface Span {
  state: State;
  fromMs: number;
  /** undefined while it lasts. */
  toMs: number | undefined;
}
export type Outage = Pick<Span, "fromMs" | "toMs">;
type MarkKind = "gap" | "cut" | "goon";

export interface Timeline {
  record(state: State): void;
  mark(kind: MarkKind): void;
  /** When the client had lost its connection: for the charts to shade. */
  outages(): readonly Outage[];
  draw(nowMs: number): void;
}

export function createTimeline(): Timeline {
  const strip = byId("timeline", SVGSVGElement);
  const spanLayer = byId("timeline-spans", SVGGElement);
  const markLayer = byId("timeline-marks", SVGGElement);
  let spans: Span[] = [];
  let marks: { kind: MarkKind; atMs: number }[] = [];

  const place = (layer: SVGGElement, index: number, tag: "rect" | "use"): SVGElement => {
    const known = layer.children[index];
    if (known instanceof SVGElement) return known;
    const made = document.createElementNS(svgNamespace, tag);
    layer.append(made);
    return made;
  };
  const trim = (layer: SVGGElement, count: number): void => {
    while (layer.childElementCount > count) layer.lastElementChild?.remove();
  };

  return {
    record(state) {
      const nowMs = Date.now();
      const last = spans.at(-1);
      if (last?.state === state) return;
      if (last !== undefined) last.toMs = nowMs;
      spans.push({ state, fromMs: nowMs, toMs: undefined });
    },
    mark(kind) {
      marks.push({ kind, atMs: Date.now() });
    },
    outages: () => mergeOutages(spans),
    draw(nowMs) {
      spans = spans.filter((span) => (span.toMs ?? nowMs) > nowMs - keptMs);
      marks = marks.filter((mark) => mark.atMs > nowMs - windowMs);
      const width = strip.clientWidth;
      const x = (atMs: number): number => Math.max(0, (1 - (nowMs - atMs) / windowMs) * width);

      spans.forEach((span, index) => {
        const rect = place(spanLayer, index, "rect");
        const left = x(span.fromMs);
        rect.setAttribute("class", `span-${span.state}`);
        rect.setAttribute("x", left.toFixed(1));
        rect.setAttribute("width", Math.max(1.5, x(span.toMs ?? nowMs) - left).toFixed(1));
        rect.setAttribute("height", "100%");
      });
      trim(spanLayer, spans.length);

      marks.forEach((mark, index) => {
        const use = place(markLayer, index, "use");
        use.setAttribute("width", "10");
        use.setAttribute("height", "100%");
        use.setAttribute("class", `mark-${mark.kind}`);
        use.setAttribute("href", `#icon-mark-${mark.kind}`);
        use.setAttribute("transform", `translate(${(x(mark.atMs) - 5).toFixed(1)} 0)`);
      });
      trim(markLayer, marks.length);
      strip.setAttribute("aria-label", describe(spans, nowMs));
    },
  };
}

/** From connected to connected, whatever was in between; opening the page is no outage. */
function mergeOutages(spans: readonly Span[]): Outage[] {
  const outages: Outage[] = [];
  let isLost = false;
  let wasConnected = false;
  for (const { state, fromMs, toMs } of spans) {
    const last = outages.at(-1);
    if (state === "connected") wasConnected = true;
    else if (isLost && last !== undefined) last.toMs = toMs;
    else if (wasConnected) outages.push({ fromMs, toMs });
    isLost = state !== "connected";
  }
  return outages;
}

function describe(spans: readonly Span[], nowMs: number): string {
  const downMs = spans
    .filter((span) => span.state !== "connected")
    .reduce((sum, span) => {
      const fromMs = Math.max(span.fromMs, nowMs - windowMs);
      return sum + Math.max(0, (span.toMs ?? nowMs) - fromMs);
    }, 0);
  return downMs < 100
    ? "The last 60 seconds: connected throughout."
    : `The last 60 seconds: without a connection for ${formatDuration(downMs)}.`;
}
