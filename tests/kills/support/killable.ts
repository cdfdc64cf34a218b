// A browser with its own profile that can be killed as in a power cut: the whole process group at
// once. No driver runs it; its pages take their task from their address.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "@playwright/test";

export type Engine = "chromium" | "firefox" | "webkit";

/** The pause between two checks whether all processes are gone, ms. Chosen: they need some tens. */
const lookMs = 10;

export class Killable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;

  /** `env` has the display on which WebKitGTK draws. */
  constructor(engine: Engine, profile: string, url: string, env: Record<string, string> = {}) {
    const program = programs[engine](profile, url);
    this.#process = spawn(program.path, program.args, {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, ...env, ...program.env },
    });
    this.#exited = Promise.race([
      once(this.#process, "exit"),
      once(this.#process, "error").then(([error]) => Promise.reject(error)),
    ]);
    this.#exited.catch(() => {});
    // The process group would outlive these tests if they are ended from outside.
    process.once("exit", this.#end);
    this.#process.once("exit", () => process.off("exit", this.#end));
  }

  /** Rejects if it ends by itself. */
  get died(): Promise<never> {
    return this.#exited.then(() => Promise.reject(new Error("the browser ended by itself")));
  }

  readonly #end = (): void => {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
  };

  /** Resolves when none of its processes runs any more, so no process uses the profile. */
  async kill(): Promise<void> {
    const group = this.#process.pid;
    if (group === undefined) return;
    this.#end();
    await this.#exited;
    while (isRunning(group)) await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

interface Program {
  path: string;
  args: readonly string[];
  env?: Record<string, string>;
}

/**
 * The flags let a page open others, which become the tabs, and let it start where a killed one left
 * off.
 */
const programs: Record<Engine, (profile: string, url: string) => Program> = {
  chromium: (profile, url) => ({
    path: process.env["LONGHAUL_CHROMIUM"] || process.env["CHROME_PATH"] || chromium.executablePath(),
    args: [
      "--headless",
      "--no-sandbox",
      // Without a zygote every process is in the killed group.
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
      "--disable-popup-blocking",
      `--user-data-dir=${profile}`,
      url,
    ],
  }),
  firefox: (profile, url) => {
    const preferences = {
      "dom.disable_open_during_load": false,
      "dom.popup_maximum": -1,
      // After some crashes it would offer safe mode and open the earlier pages.
      "toolkit.startup.max_resumed_crashes": -1,
      "browser.sessionstore.resume_from_crash": false,
      "browser.aboutwelcome.enabled": false,
      "browser.shell.checkDefaultBrowser": false,
      "browser.startup.homepage_override.mstone": "ignore",
      "datareporting.policy.dataSubmissionEnabled": false,
      "network.captive-portal-service.enabled": false,
      "network.connectivity-service.enabled": false,
    };
    const lines = Object.entries(preferences).map(
      (entry) => `user_pref(${JSON.stringify(entry).slice(1, -1)});`,
    );
    writeFileSync(join(profile, "user.js"), lines.join("\n"));
    return {
      path: needed("LONGHAUL_FIREFOX"),
      args: ["-headless", "-no-remote", "-profile", profile, url],
      env: { MOZ_CRASHREPORTER_DISABLE: "1" },
    };
  },
  webkit: (profile, url) => ({
    path: needed("LONGHAUL_MINIBROWSER"),
    args: ["--javascript-can-open-windows-automatically=true", url],
    env: { HOME: profile, XDG_DATA_HOME: join(profile, "data"), XDG_CACHE_HOME: join(profile, "cache") },
  }),
};

function needed(name: string): string {
  const path = process.env[name];
  if (!path) throw new Error(`${name} is not set: run the tests by npm test`);
  return path;
}

function isRunning(group: number): boolean {
  return execFileSync("ps", ["-A", "-o", "pgid=,stat="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .some(([pgid, state]) => Number(pgid) === group && !state?.startsWith("Z"));
}
