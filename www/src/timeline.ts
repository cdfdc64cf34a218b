// The last minute of the connection, as a strip with a lane for each transport. Spans with a
// transport lie in its lane, spans without a connection across all lanes, and blocked times
// beneath.

import type { Status, TransportName } from "longhaul";
import { byId } from "./dom";
import { formatDuration } from "./format";
import { transports, transportWords } from "./transports";

export const windowMs = 60_000;
/** Spans stay a little longer than the strip shows them, because the charts use the hub's clock. */
const keptMs = windowMs + 15_000;
/** The gap between two lanes. The switches beside them have the same. */
const laneGapPx = 4;
/** A label needs so much free space around it. */
const labelAirPx = 14;
/** The shortest visible span. */
const spanPxMin = 3;
/** A narrower span has no pattern. */
const patternPx = 7;
const svgNamespace = "http://www.w3.org/2000/svg";

export type State = Status["state"];
interface Period {
  fromMs: number;
  /** Undefined while it lasts. */
  toMs: number | undefined;
}
interface Span extends Period {
  state: State;
  transport: TransportName | undefined;
}
interface Block extends Period {
  transport: TransportName;
}
export type Outage = Period;
type MarkKind = "gap" | "cut" | "goon";

export interface Timeline {
  record(status: Status): void;
  mark(kind: MarkKind): void;
  /** Sets the transports that the line blocks from now on. */
  block(blocked: readonly TransportName[]): void;
  /** The times without a connection, which the charts shade. */
  outages(): readonly Outage[];
  draw(nowMs: number): void;
}

export function createTimeline(): Timeline {
  const strip = byId("timeline", SVGSVGElement);
  const blockLayer = createLayer("timeline-blocks", "rect");
  const spanLayer = createLayer("timeline-spans", "rect");
  const labelLayer = createLayer("timeline-labels", "text");
  const markLayer = createLayer("timeline-marks", "use");
  let spans: Span[] = [];
  let blocks: Block[] = [];
  let marks: { kind: MarkKind; atMs: number }[] = [];

  return {
    record(status) {
      const nowMs = Date.now();
      const last = spans.at(-1);
      const { state } = status;
      const transport = "transport" in status ? status.transport : undefined;
      if (last?.state === state && last.transport === transport) return;
      if (last !== undefined) last.toMs = nowMs;
      spans.push({ state, transport, fromMs: nowMs, toMs: undefined });
    },
    mark(kind) {
      marks.push({ kind, atMs: Date.now() });
    },
    block(blocked) {
      const nowMs = Date.now();
      const going = blocks.filter((block) => block.toMs === undefined);
      for (const block of going) if (!blocked.includes(block.transport)) block.toMs = nowMs;
      for (const transport of blocked) {
        if (!going.some((block) => block.transport === transport))
          blocks.push({ transport, fromMs: nowMs, toMs: undefined });
      }
    },
    outages: () => mergeOutages(spans),
    draw(nowMs) {
      const isKept = ({ toMs }: Period): boolean => (toMs ?? nowMs) > nowMs - keptMs;
      spans = spans.filter(isKept);
      blocks = blocks.filter(isKept);
      marks = marks.filter((mark) => mark.atMs > nowMs - windowMs);
      const { clientWidth, clientHeight } = strip;
      const laneHeight = (clientHeight + laneGapPx) / transports.length - laneGapPx;
      const x = (atMs: number): number => Math.max(0, (1 - (nowMs - atMs) / windowMs) * clientWidth);
      const box = (period: Period, transport: TransportName | undefined): Box => ({
        left: x(period.fromMs),
        width: Math.max(spanPxMin, x(period.toMs ?? nowMs) - x(period.fromMs)),
        top: transport === undefined ? 0 : transports.indexOf(transport) * (laneHeight + laneGapPx),
        height: transport === undefined ? clientHeight : laneHeight,
      });
      const inSight = spans.filter(({ toMs }) => (toMs ?? nowMs) > nowMs - windowMs);
      // Attempts come last, on top: most are short, and the wait after them would cover them.
      const drawn = inSight.toSorted((one, other) => Number(isAttempt(one)) - Number(isAttempt(other)));

      blockLayer.draw(blocks, (rect, block) => {
        rect.setAttribute("class", "span-blocked");
        position(rect, box(block, block.transport));
      });
      spanLayer.draw(drawn, (rect, span) => {
        const { state, transport } = span;
        const at = box(span, transport);
        const brief = at.width < patternPx ? " is-brief" : "";
        rect.setAttribute("class", `span-${state === "connected" ? transport : state}${brief}`);
        rect.dataset["state"] = state;
        rect.dataset["transport"] = transport ?? "";
        position(rect, at);
      });
      const labelled = inSight.flatMap((span) => {
        const text = labelOf(span);
        return text === undefined ? [] : [{ text, at: box(span, span.transport), span }];
      });
      labelLayer.draw(labelled, (label, { text, at, span: { state, transport } }) => {
        if (label.textContent !== text) label.textContent = text;
        label.setAttribute("class", `label-${transport ?? state}`);
        label.setAttribute("x", (at.left + at.width / 2).toFixed(1));
        label.setAttribute("y", (at.top + at.height / 2).toFixed(1));
        const fits = label instanceof SVGTextElement && label.getComputedTextLength() + labelAirPx < at.width;
        label.setAttribute("visibility", fits ? "visible" : "hidden");
      });
      markLayer.draw(marks, (use, { kind, atMs }) => {
        use.setAttribute("width", "10");
        use.setAttribute("height", "100%");
        use.setAttribute("class", `mark-${kind}`);
        use.setAttribute("href", `#icon-mark-${kind}`);
        use.setAttribute("transform", `translate(${(x(atMs) - 5).toFixed(1)} 0)`);
      });
      const words = describe(inSight, nowMs);
      if (strip.getAttribute("aria-label") !== words) strip.setAttribute("aria-label", words);
    },
  };
}

interface Box {
  left: number;
  width: number;
  top: number;
  height: number;
}

function position(rect: SVGElement, { left, width, top, height }: Box): void {
  rect.setAttribute("x", left.toFixed(1));
  rect.setAttribute("width", width.toFixed(1));
  rect.setAttribute("y", top.toFixed(1));
  rect.setAttribute("height", height.toFixed(1));
}

/** A layer with one element for each item. It reuses elements. */
function createLayer(
  id: string,
  tag: "rect" | "text" | "use",
): { draw<T>(items: readonly T[], each: (element: SVGElement, item: T) => void): void } {
  const layer = byId(id, SVGGElement);
  return {
    draw(items, each) {
      items.forEach((item, index) => {
        const known = layer.children[index];
        const element = known instanceof SVGElement ? known : document.createElementNS(svgNamespace, tag);
        if (element !== known) layer.append(element);
        each(element, item);
      });
      while (layer.childElementCount > items.length) layer.lastElementChild?.remove();
    },
  };
}

function isAttempt({ state }: Span): boolean {
  return state === "connecting";
}

function labelOf({ state, transport }: Span): string | undefined {
  if (state === "connected" && transport !== undefined) return transportWords[transport];
  if (state === "unauthorized") return "not signed in";
  return state === "offline" || state === "closed" ? state : undefined;
}

/** The times between two connections. Neither the start of the page nor a move is an outage. */
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
  const sum = (isCounted: (span: Span) => boolean): number =>
    spans.filter(isCounted).reduce((ms, { fromMs, toMs }) => {
      return ms + Math.max(0, (toMs ?? nowMs) - Math.max(fromMs, nowMs - windowMs));
    }, 0);
  const parts = transports
    .map((transport) => ({
      ms: sum((span) => span.state === "connected" && span.transport === transport),
      where: `on ${transportWords[transport]}`,
    }))
    .concat({ ms: sum(({ state }) => state !== "connected"), where: "without a connection" })
    .filter(({ ms }) => ms >= 100)
    .map(({ ms, where }) => `${formatDuration(ms)} ${where}`);
  return `The last 60 seconds: ${parts.join(", ")}.`;
}
