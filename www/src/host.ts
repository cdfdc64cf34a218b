// The messages of `demo/host`. Anyone may write to the topic, so the page checks each message.

export interface HostFigures {
  /** The load of each core, per cent. */
  cpu: number[];
  memory: { usedBytes: number; totalBytes: number };
  network: { receivedBytesPerSec: number; sentBytesPerSec: number };
  /** Averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
  uptimeMs: number;
}

export const coresMax = 256;

export function isHostFigures(data: unknown): data is HostFigures {
  if (!isRecord(data)) return false;
  const { cpu, memory, network, load, uptimeMs } = data;
  return (
    areNumbers(cpu) &&
    cpu.length > 0 &&
    cpu.length <= coresMax &&
    isRecord(memory) &&
    areNumbers([memory["usedBytes"], memory["totalBytes"]]) &&
    isRecord(network) &&
    areNumbers([network["receivedBytesPerSec"], network["sentBytesPerSec"]]) &&
    areNumbers(load) &&
    load.length === 3 &&
    areNumbers([uptimeMs])
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function areNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isFinite(item));
}
