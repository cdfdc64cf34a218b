// Runs the real hub on a free port. After a kill it can run again on the same port.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const binary = process.env["LONGHAUL_HUB"];

export class Hub {
  #process: ChildProcess;
  readonly #args: readonly string[];
  url: string;

  private constructor(process: ChildProcess, args: readonly string[], url: string) {
    this.#process = process;
    this.#args = args;
    this.url = url;
  }

  static async start(args: readonly string[] = []): Promise<Hub> {
    const { child, url } = await launch("127.0.0.1:0", args);
    return new Hub(child, args, url);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Ends the process as a power cut does, without a goodbye. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends the process as an operator does. Returns the exit code. */
  async stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** Starts it again at the same address, with an empty memory. */
  async restart(): Promise<void> {
    const { child } = await launch(new URL(this.url).host, this.#args);
    this.#process = child;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return exitCode;
    const exited = once(this.#process, "exit");
    this.#process.kill(signal);
    const [code] = await exited;
    return code;
  }
}

async function launch(
  listen: string,
  args: readonly string[],
): Promise<{ child: ChildProcess; url: string }> {
  if (!binary) throw new Error("LONGHAUL_HUB is not set: run the tests by npm test");
  const child = spawn(binary, ["--memory", "--listen", listen, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaints = "";
  child.stderr?.on("data", (text) => {
    complaints += text;
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const line = await Promise.race([
    once(lines, "line").then(([line]) => String(line)),
    once(child, "exit").then(([code]) =>
      Promise.reject(new Error(`the hub ended with ${code}: ${complaints}`)),
    ),
  ]);
  const url = /http:\/\/\S+/.exec(line)?.[0];
  if (url === undefined) throw new Error(`the hub said ${line}`);
  return { child, url };
}

/** An entry of a topic's log, as a back end reads it. */
export interface Entry<T = unknown> {
  seq: number;
  id?: string;
  data: T;
}

/** The hub's log of a topic, from its first entry on. */
export async function hubEntries<T = unknown>(hub: Hub, topic: string): Promise<Entry<T>[]> {
  const entries: Entry<T>[] = [];
  for (;;) {
    const answer = await fetch(`${hub.url}/v1/topics/${topic}?from=${entries.length + 1}`);
    if (!answer.ok) throw new Error(`the hub answered ${answer.status}: ${await answer.text()}`);
    const page = (await answer.json()) as { entries: Entry<T>[] };
    if (page.entries.length === 0) return entries;
    entries.push(...page.entries);
  }
}
