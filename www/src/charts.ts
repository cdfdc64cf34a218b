// The four charts of the host's figures in the last minute.

import type { Message } from "longhaul";
import { type Backdrop, type Chart, type Columns, createChart } from "./chart";
import type { HubClock } from "./clock";
import { byId } from "./dom";
import { coreColor, coresNamedMax, createFigures, meanCpu } from "./figures";
import { formatBytes } from "./format";
import type { HostFigures } from "./host";
import type { Theme } from "./theme";
import { type Timeline, windowMs } from "./timeline";

/** No line joins two messages that are further apart, because the hub was silent between them. */
const silenceSeconds = 1;
const keptSeconds = windowMs / 1000 + 10;

export interface HostCharts {
  push(message: Message<HostFigures>): void;
  /** The messages before the next one are missing. */
  gap(): void;
  /** Draws once in the next frame, however often it is called. */
  draw(): void;
}

interface Point {
  atSeconds: number;
  /** Undefined interrupts the line. */
  figures: HostFigures | undefined;
}

export function createHostCharts(theme: Theme, timeline: Timeline, clock: HubClock): HostCharts {
  const points: Point[] = [];
  let gaps: number[] = [];
  let gapAhead = false;
  let hovered: number | undefined;
  let charts: { chart: Chart; columns: () => Columns }[] = [];
  let cores = 0;
  let frame = 0;

  const figures = createFigures(theme);
  const showFigures = (): void => {
    const pointed = hovered === undefined ? undefined : points[hovered];
    const shown = pointed?.figures ?? points.at(-1)?.figures;
    const agoMs = pointed?.figures && clock.toHubMs(Date.now()) - pointed.atSeconds * 1000;
    if (shown !== undefined) figures.show(shown, agoMs);
  };

  const build = (): void => {
    for (const { chart } of charts) chart.destroy();
    const onHover = (index: number | undefined): void => {
      hovered = index;
      showFigures();
    };
    const line = (color: string) => ({ stroke: () => theme.color(color) });
    const area = (color: string) => ({ ...line(color), fill: () => theme.color(`${color}-fill`) });
    const column = (pick: (figures: HostFigures) => number) =>
      points.map(({ figures }) => (figures === undefined ? null : pick(figures)));
    const at = (): number[] => points.map(({ atSeconds }) => atSeconds);
    const coreIndexes = Array.from({ length: cores }, (_, index) => index);
    charts = [
      {
        chart: createChart(
          {
            holder: byId("plot-cpu", HTMLElement),
            series: [
              ...coreIndexes.map((core) => ({ stroke: () => coreColor(core, cores, theme), width: 1.25 })),
              {
                stroke: () => (cores > coresNamedMax ? theme.color("--ink") : "transparent"),
                fill: () => theme.color("--core-fill"),
              },
            ],
            yMax: () => 100,
            yLabel: (value) => `${value} %`,
            onHover,
          },
          theme,
        ),
        columns: () => [
          at(),
          ...coreIndexes.map((core) => column(({ cpu }) => cpu[core] ?? 0)),
          column(meanCpu),
        ],
      },
      {
        chart: createChart(
          {
            holder: byId("plot-memory", HTMLElement),
            series: [area("--memory")],
            yMax: () => points.at(-1)?.figures?.memory.totalBytes ?? 1,
            yLabel: (value) => (value === 0 ? "0" : formatBytes(value)),
            onHover,
          },
          theme,
        ),
        columns: () => [at(), column(({ memory }) => memory.usedBytes)],
      },
      {
        chart: createChart(
          {
            holder: byId("plot-network", HTMLElement),
            series: [area("--received"), { ...line("--sent"), dash: [5, 3] }],
            yMax: (columns) => 2 ** Math.ceil(Math.log2(Math.max(1024, highest(columns)))),
            yLabel: (value) => (value === 0 ? "0" : formatBytes(value)),
            onHover,
          },
          theme,
        ),
        columns: () => [
          at(),
          column(({ network }) => network.receivedBytesPerSec),
          column(({ network }) => network.sentBytesPerSec),
        ],
      },
      {
        chart: createChart(
          {
            holder: byId("plot-load", HTMLElement),
            series: [
              area("--load-1"),
              { ...line("--load-5"), dash: [6, 3] },
              { ...line("--load-15"), dash: [2, 3] },
            ],
            yMax: (columns) => Math.max(1, Math.ceil(highest(columns) * 1.1)),
            yLabel: (value) => String(value),
            onHover,
          },
          theme,
        ),
        columns: () => [at(), ...[0, 1, 2].map((index) => column(({ load }) => load[index] ?? 0))],
      },
    ];
  };

  const render = (): void => {
    frame = 0;
    const nowMs = Date.now();
    const toSeconds = (localMs: number): number => clock.toHubMs(localMs) / 1000;
    const backdrop: Backdrop = {
      nowSeconds: toSeconds(nowMs),
      gapsSeconds: gaps,
      outages: timeline
        .outages()
        .map(({ fromMs, toMs }) => ({ fromSeconds: toSeconds(fromMs), toSeconds: toSeconds(toMs ?? nowMs) })),
    };
    for (const { chart, columns } of charts) chart.draw(columns(), backdrop);
    showFigures();
  };
  const schedule = (): void => {
    if (charts.length > 0 && frame === 0) frame = requestAnimationFrame(render);
  };
  theme.onChange(schedule);

  return {
    push({ data, publishedAtMs }) {
      const last = points.at(-1);
      const atSeconds = Math.max(publishedAtMs / 1000, (last?.atSeconds ?? 0) + 0.001);
      if (last !== undefined && (gapAhead || atSeconds - last.atSeconds > silenceSeconds)) {
        const middle = (last.atSeconds + atSeconds) / 2;
        points.push({ atSeconds: middle, figures: undefined });
        if (gapAhead) gaps.push(middle);
      }
      gapAhead = false;
      points.push({ atSeconds, figures: data });
      const oldest = atSeconds - keptSeconds;
      const kept = points.findIndex((point) => point.atSeconds >= oldest);
      if (kept > 0) points.splice(0, kept);
      gaps = gaps.filter((gap) => gap >= oldest);
      if (data.cpu.length !== cores) {
        cores = data.cpu.length;
        build();
      }
    },
    gap() {
      gapAhead = true;
    },
    draw: schedule,
  };
}

function highest([, ...series]: Columns): number {
  let max = 0;
  for (const values of series) for (const value of values) if (value !== null && value > max) max = value;
  return max;
}
