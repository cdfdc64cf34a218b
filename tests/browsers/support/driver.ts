// Drives Firefox and WebKitGTK through their WebDriver programs, on free ports and a hidden
// display. It ends all processes that it starts.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Page } from "@playwright/test";
import { Builder, type WebDriver } from "selenium-webdriver";
import { type Between, startProgram } from "../../e2e/support/proxies.js";

export type Engine = "firefox" | "webkit";

/**
 * The pause between two checks of a condition, ms. Chosen: tests wait little longer than they must.
 */
const lookMs = 50;
/** The limit of a script or a condition, ms. Chosen: far more than a busy machine needs. */
const patienceMs = 45_000;

export class Driven {
  readonly #driver: WebDriver;
  readonly #programs: readonly { stop: () => Promise<void> }[];

  private constructor(driver: WebDriver, programs: readonly { stop: () => Promise<void> }[]) {
    this.#driver = driver;
    this.#programs = programs;
  }

  static async launch(engine: Engine): Promise<Driven> {
    const programs: { stop: () => Promise<void> }[] = [];
    const keep = <P extends { stop: () => Promise<void> }>(program: P): P => {
      programs.unshift(program);
      return program;
    };
    try {
      const driver = await (engine === "firefox" ? launchFirefox(keep) : launchWebKit(keep));
      await driver.manage().setTimeouts({ script: patienceMs, pageLoad: patienceMs });
      return new Driven(driver, programs);
    } catch (error) {
      await stopAll(programs);
      throw error;
    }
  }

  /** The capabilities that the browser reports. */
  async browserName(): Promise<string | undefined> {
    return (await this.#driver.getCapabilities()).getBrowserName();
  }

  /** Opens the test page with the package in it. */
  async goto(url: string): Promise<void> {
    await this.#driver.get(url);
    await this.waitForFunction(() => "longhaul" in globalThis);
  }

  /** Opens a page that is not the test page. */
  async leave(url: string): Promise<void> {
    await this.#driver.get(url);
  }

  async goBack(): Promise<void> {
    await this.#driver.navigate().back();
  }

  /** The part of a Page that the steps of e2e/support/network.ts need. */
  get page(): Page {
    return this as unknown as Page;
  }

  async evaluate(act: (argument: never) => unknown, argument?: unknown): Promise<unknown> {
    const text = await this.#driver.executeAsyncScript<string>(
      runInPage,
      `${act}`,
      JSON.stringify(argument) ?? "",
    );
    const answer = JSON.parse(text) as { value?: unknown; error?: string };
    if (answer.error !== undefined) throw new Error(`in the page: ${answer.error}`);
    return answer.value;
  }

  async waitForFunction(
    test: (argument: never) => unknown,
    argument?: unknown,
    { timeout = patienceMs } = {},
  ): Promise<void> {
    const untilMs = Date.now() + timeout;
    while (!(await this.evaluate(test, argument))) {
      if (Date.now() > untilMs) throw new Error(`not within ${timeout} ms: ${test}`);
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }

  async close(): Promise<void> {
    await this.#driver.quit().finally(() => stopAll(this.#programs));
  }
}

/**
 * Firefox runs a driver's script beside the page, with its own global. An inline script belongs to
 * the page.
 */
const runInPage = `
  const [act, argument, done] = arguments;
  document.addEventListener("answer", ({ detail }) => done(detail), { once: true });
  const script = document.createElement("script");
  script.textContent = \`{
    const answer = (said) => document.dispatchEvent(new CustomEvent("answer", { detail: JSON.stringify(said) }));
    (async () => (\${act})(\${argument}))().then((value) => answer({ value }), (error) => answer({ error: String(error) }));
  }\`;
  document.head.append(script);
  script.remove();`;

type Keep = <P extends { stop: () => Promise<void> }>(program: P) => P;

async function launchFirefox(keep: Keep): Promise<WebDriver> {
  const geckodriver = keep(
    await startProgram(needed("LONGHAUL_GECKODRIVER"), (_, port) => ({
      args: ["--host", "127.0.0.1", "--port", String(port), "--websocket-port", "0", "--log", "fatal"],
    })),
  );
  return session(geckodriver, {
    browserName: "firefox",
    "moz:firefoxOptions": { binary: needed("LONGHAUL_FIREFOX"), args: ["-headless"] },
  });
}

async function launchWebKit(keep: Keep): Promise<WebDriver> {
  const display = keep(await startDisplay());
  const driver = keep(
    await startProgram(needed("LONGHAUL_WEBKITDRIVER"), (_, port) => ({
      args: [`--port=${port}`],
      env: display.env,
    })),
  );
  return session(driver, {
    browserName: "MiniBrowser",
    "webkitgtk:browserOptions": { binary: needed("LONGHAUL_MINIBROWSER"), args: ["--automation"] },
  });
}

function session({ url }: Between, capabilities: object): Promise<WebDriver> {
  return new Builder()
    .usingServer(url)
    .withCapabilities(capabilities as Record<string, unknown>)
    .build();
}

/** A display whose number Xvfb chooses. WebKitGTK draws on it without the graphics card. */
export async function startDisplay(): Promise<{ env: Record<string, string>; stop: () => Promise<void> }> {
  const child = spawn(
    needed("LONGHAUL_XVFB"),
    ["-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "800x600x24"],
    {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    },
  );
  let complaints = "";
  child.stderr?.on("data", (text) => {
    complaints += text;
  });
  const number = await Promise.race([
    once(createInterface({ input: child.stdio[3] as Readable }), "line").then(([line]) => String(line)),
    once(child, "close").then(() => Promise.reject(new Error(`Xvfb ended: ${complaints}`))),
  ]);
  return {
    env: { DISPLAY: `:${number}`, LIBGL_ALWAYS_SOFTWARE: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1" },
    stop: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

async function stopAll(programs: readonly { stop: () => Promise<void> }[]): Promise<void> {
  for (const program of programs) await program.stop();
}

function needed(name: string): string {
  const path = process.env[name];
  if (!path) throw new Error(`${name} is not set: run the tests by npm test -- --only browsers`);
  return path;
}
