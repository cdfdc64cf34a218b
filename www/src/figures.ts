// The large figures beside the charts: the latest ones, or those under the pointer.

import { byId, element, setText } from "./dom";
import { formatAge, formatBytes, none, splitBytes } from "./format";
import type { HostFigures } from "./host";
import type { Theme } from "./theme";

/** Up to so many cores have a name and a colour. With more, the chart shows all and their mean. */
export const coresNamedMax = 8;

export interface Figures {
  /** `agoMs` is the age of figures under the pointer; undefined for the latest ones. */
  show(figures: HostFigures, agoMs: number | undefined): void;
}

export function createFigures(theme: Theme): Figures {
  const list = byId("cpu-cores", HTMLUListElement);
  const cells: HTMLElement[] = [];
  let cores = 0;

  const nameCores = (): void => {
    cells.length = 0;
    if (cores > coresNamedMax) {
      list.replaceChildren(element("li", "", `${cores} cores`));
      return;
    }
    const rows = Array.from({ length: cores }, (_, core) => {
      const swatch = element("i", "swatch");
      swatch.style.setProperty("--swatch", coreColor(core, cores, theme));
      const cell = element("b", "", none);
      cells.push(cell);
      return element("li", "", swatch, `core ${core + 1} `, cell);
    });
    list.replaceChildren(...rows);
  };
  theme.onChange(nameCores);

  const write = (id: string, text: string): void => setText(byId(id, HTMLElement), text);
  const writeBytes = (id: string, bytes: number, per: string): void => {
    const [figure, unit] = splitBytes(bytes);
    write(`${id}-now`, figure);
    write(`${id}-unit`, unit + per);
  };

  return {
    show({ cpu, memory, network, load }, agoMs) {
      if (cpu.length !== cores) {
        cores = cpu.length;
        nameCores();
      }
      write("pointed", agoMs === undefined ? "" : `, ${formatAge(agoMs)} ago`);
      write("cpu-now", meanCpu({ cpu }).toFixed(1));
      for (const [core, cell] of cells.entries()) setText(cell, `${(cpu[core] ?? 0).toFixed(0)} %`);
      writeBytes("memory", memory.usedBytes, "");
      write("memory-total", formatBytes(memory.totalBytes));
      writeBytes("received", network.receivedBytesPerSec, "/s");
      writeBytes("sent", network.sentBytesPerSec, "/s");
      for (const [index, value] of load.entries()) write(`load-${index}`, value.toFixed(2));
    },
  };
}

export function meanCpu({ cpu }: Pick<HostFigures, "cpu">): number {
  return cpu.reduce((sum, core) => sum + core, 0) / cpu.length;
}

/** A colour from green to violet. Neighbours differ as much as the number of cores allows. */
export function coreColor(core: number, cores: number, theme: Theme): string {
  const hue = cores === 1 ? 170 : 168 + (core / (cores - 1)) * 142;
  const alpha = cores > coresNamedMax ? 0.25 : 1;
  return `oklch(${theme.isDark() ? "0.78 0.12" : "0.55 0.14"} ${hue.toFixed(0)} / ${alpha})`;
}
