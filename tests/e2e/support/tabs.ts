// A Chromium whose tabs are really hidden and frozen. Playwright keeps each of its pages visible
// and focused, so this one is started and driven through the DevTools protocol alone.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "@playwright/test";
import { WebSocket } from "ws";
import { test as base } from "./network.js";

/**
 * The pause between two checks of a condition, ms. Chosen: tests wait little longer than they must.
 */
const lookMs = 50;

interface Answer {
  id?: number;
  result?: Record<string, unknown>;
  error?: { message: string };
}

export class Tabs {
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #folder: string;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;

  private constructor(child: ChildProcess, socket: WebSocket, folder: string) {
    this.#process = child;
    this.#socket = socket;
    this.#folder = folder;
    socket.on("message", (text) => {
      const answer = JSON.parse(String(text)) as Answer;
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  static async launch(): Promise<Tabs> {
    const path = process.env["LONGHAUL_CHROMIUM"] || process.env["CHROME_PATH"] || chromium.executablePath();
    const folder = mkdtempSync(join(tmpdir(), "longhaul-tabs-"));
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"];
    const child = spawn(path, [...flags, "--remote-debugging-port=0", `--user-data-dir=${folder}`], {
      stdio: ["ignore", "ignore", "pipe"],
      // A process group of its own, with all its helpers.
      detached: true,
    });
    const address = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr.on("data", (text) => {
        said += text;
        const found = /ws:\/\/\S+/.exec(said);
        if (found) resolve(found[0]);
      });
      child.once("exit", () => reject(new Error(`Chromium does not start: ${said}`)));
    });
    const socket = new WebSocket(address);
    await once(socket, "open");
    return new Tabs(child, socket, folder);
  }

  async open(url: string): Promise<Tab> {
    const { targetId } = await this.send("Target.createTarget", { url });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    return new Tab(this, String(sessionId));
  }

  async send(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#last;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answered;
    this.#waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  async close(): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#socket.close();
    // Kills the whole group, because a surviving helper writes into the folder during its removal.
    if (this.#process.pid !== undefined) process.kill(-this.#process.pid, "SIGKILL");
    await exited;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

export class Tab {
  readonly #tabs: Tabs;
  readonly #session: string;

  constructor(tabs: Tabs, session: string) {
    this.#tabs = tabs;
    this.#session = session;
  }

  /** The part of a Page that the steps of support/network.ts need. */
  get page(): Page {
    return this as unknown as Page;
  }

  async evaluate(act: (argument: never) => unknown, argument?: unknown): Promise<unknown> {
    const expression = `(${act})(${JSON.stringify(argument) ?? ""})`;
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const answer = (await this.#tabs.send("Runtime.evaluate", asked, this.#session)) as {
      result: { value?: unknown };
      exceptionDetails?: { exception?: { description?: string } };
    };
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception?.description);
    return answer.result.value;
  }

  /** Polls from outside, because the timers of a hidden page are slow. */
  async waitForFunction(test: (argument: never) => unknown, argument?: unknown): Promise<void> {
    while (!(await this.evaluate(test, argument))) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }

  /** Brings the tab to the front, which hides the one before it. */
  async show(): Promise<void> {
    await this.#tabs.send("Page.bringToFront", {}, this.#session);
  }

  /** Stops all tasks of a hidden tab, or resumes them. */
  async freeze(state: "frozen" | "active"): Promise<void> {
    await this.#tabs.send("Page.setWebLifecycleState", { state }, this.#session);
  }
}

/** The tests of network.ts, with a Chromium for the tests of one worker. */
export const test = base.extend<object, { tabs: Tabs }>({
  tabs: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures from the pattern.
    async ({}, use) => {
      const tabs = await Tabs.launch();
      await use(tabs);
      await tabs.close();
    },
    { scope: "worker" },
  ],
});
