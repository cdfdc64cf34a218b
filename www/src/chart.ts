// One chart of the last minute, drawn by uPlot. It owns the appearance, and gets its data as
// columns.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Theme } from "./theme";
import { windowMs } from "./timeline";

export type Columns = [seconds: number[], ...series: (number | null)[][]];

export interface Backdrop {
  /** The right edge, in seconds of the hub's clock. */
  nowSeconds: number;
  outages: readonly { fromSeconds: number; toSeconds: number }[];
  /** The times of gaps. */
  gapsSeconds: readonly number[];
}

export interface ChartSpec {
  holder: HTMLElement;
  series: readonly { stroke: () => string; fill?: () => string; width?: number; dash?: number[] }[];
  yMax: (columns: Columns) => number;
  yLabel: (value: number) => string;
  onHover: (index: number | undefined) => void;
}

export interface Chart {
  draw(columns: Columns, backdrop: Backdrop): void;
  destroy(): void;
}

const windowSeconds = windowMs / 1000;
const axisFont = "11px -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

export function createChart(spec: ChartSpec, theme: Theme): Chart {
  let backdrop: Backdrop = { nowSeconds: 0, outages: [], gapsSeconds: [] };
  let columns: Columns = [[], ...spec.series.map(() => [])];

  const plot = new uPlot(
    {
      ...sizeOf(spec.holder),
      padding: [6, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        sync: { key: "host" },
        points: { size: 7, width: 1.5, fill: () => theme.color("--surface") },
      },
      scales: {
        x: { time: false, range: () => [backdrop.nowSeconds - windowSeconds, backdrop.nowSeconds] },
        y: { range: () => [0, spec.yMax(columns)] },
      },
      axes: [
        {
          font: axisFont,
          size: 22,
          gap: 4,
          stroke: () => theme.color("--ink-faint"),
          grid: { show: false },
          ticks: { show: false },
          splits: () => [-60, -45, -30, -15, 0].map((ago) => backdrop.nowSeconds + ago),
          values: (_, splits) => splits.map((at) => agoLabel(at - backdrop.nowSeconds)),
        },
        {
          font: axisFont,
          size: 54,
          gap: 6,
          stroke: () => theme.color("--ink-faint"),
          grid: { stroke: () => theme.color("--grid"), width: 1 },
          ticks: { show: false },
          splits: (_, __, min, max) => [min, (min + max) / 2, max],
          values: (_, splits) => splits.map(spec.yLabel),
        },
      ],
      series: [
        {},
        ...spec.series.map(({ stroke, fill, width = 1.5, dash }) => ({
          stroke,
          width,
          points: { show: false },
          ...(fill === undefined ? {} : { fill }),
          ...(dash === undefined ? {} : { dash }),
        })),
      ],
      hooks: {
        drawClear: [(drawn) => drawOutages(drawn, backdrop, theme)],
        draw: [(drawn) => drawGaps(drawn, backdrop, theme)],
        setCursor: [
          ({ cursor }) => spec.onHover((cursor.left ?? -1) < 0 ? undefined : (cursor.idx ?? undefined)),
        ],
      },
    },
    columns,
    spec.holder,
  );

  const observer = new ResizeObserver(() => requestAnimationFrame(() => plot.setSize(sizeOf(spec.holder))));
  observer.observe(spec.holder);

  return {
    draw(nextColumns, nextBackdrop) {
      columns = nextColumns;
      backdrop = nextBackdrop;
      plot.setData(columns);
    },
    destroy() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

function sizeOf(holder: HTMLElement): { width: number; height: number } {
  return { width: holder.clientWidth, height: holder.clientHeight };
}

function agoLabel(seconds: number): string {
  return seconds === 0 ? "now" : `${Math.round(seconds)} s`.replace("-", "−");
}

function drawOutages(plot: uPlot, { outages }: Backdrop, theme: Theme): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = theme.color("--outage");
  ctx.strokeStyle = theme.color("--outage-edge");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([]);
  for (const { fromSeconds, toSeconds } of outages) {
    const left = Math.max(bbox.left, plot.valToPos(fromSeconds, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(toSeconds, "x", true));
    if (right - left < 1) continue;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.beginPath();
    for (const edge of [left, right]) {
      ctx.moveTo(edge, bbox.top);
      ctx.lineTo(edge, bbox.top + bbox.height);
    }
    ctx.stroke();
  }
  ctx.restore();
}

function drawGaps(plot: uPlot, { gapsSeconds }: Backdrop, theme: Theme): void {
  const { ctx, bbox } = plot;
  const pixel = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = theme.color("--gap");
  ctx.fillStyle = theme.color("--gap");
  ctx.lineWidth = 1.5 * pixel;
  ctx.setLineDash([4 * pixel, 3 * pixel]);
  for (const at of gapsSeconds) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 5 * pixel, bbox.top);
    ctx.lineTo(x + 5 * pixel, bbox.top);
    ctx.lineTo(x, bbox.top + 7 * pixel);
    ctx.fill();
  }
  ctx.restore();
}
