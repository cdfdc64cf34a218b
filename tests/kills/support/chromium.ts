// A Chromium with a profile of its own that can be killed as a power cut does it: the whole process group at once.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chromium } from "@playwright/test";

/** How often it is looked whether all processes are gone, ms. Chosen: they need some tens. */
const lookMs = 10;

const flags = [
  "--headless",
  "--no-sandbox",
  // Without a zygote every process is in the group that is killed.
  "--no-zygote",
  "--disable-breakpad",
  "--disable-gpu",
  "--disable-extensions",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--no-default-browser-check",
  // The first page opens the others.
  "--disable-popup-blocking",
];

export class Killable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(profile: string, url: string) {
    const path = process.env["LONGHAUL_CHROMIUM"] || process.env["CHROME_PATH"] || chromium.executablePath();
    this.#process = spawn(path, [...flags, `--user-data-dir=${profile}`, url], {
      detached: true,
      stdio: "ignore",
    });
    this.#exited = Promise.race([
      once(this.#process, "exit"),
      once(this.#process, "error").then(([error]) => Promise.reject(error)),
    ]);
    this.#exited.catch(() => {});
  }

  /** Rejects when it ends by itself. */
  get died(): Promise<never> {
    return this.#exited.then(() => Promise.reject(new Error("Chromium ended by itself")));
  }

  /** Resolves when none of its processes runs any more, so that the profile is nobody's. */
  async kill(): Promise<void> {
    const group = this.#process.pid;
    if (group === undefined) return;
    process.kill(-group, "SIGKILL");
    await this.#exited;
    while (isRunning(group)) await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

function isRunning(group: number): boolean {
  return execFileSync("ps", ["-A", "-o", "pgid=,stat="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .some(([pgid, state]) => Number(pgid) === group && !state?.startsWith("Z"));
}
