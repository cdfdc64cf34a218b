// Runs a program: its calls and faults in order, then an end without faults in which everything has
// to settle.

import type { PageCall } from "./agent.js";
import type { Shipped } from "./browser/shipped.js";
import type { World } from "./browser/world.js";
import { Checks } from "./checks.js";
import type { Coverage } from "./coverage.js";
import { Environment } from "./environment.js";
import { Faults, outboxName } from "./faults.js";
import { post } from "./logs.js";
import { type Call, lineOf, type Program, publicationsOf, type Step, topics } from "./program.js";
import { Tabs } from "./tabs.js";

export interface Outcome {
  /** The promises that did not hold; empty: the program passes. */
  readonly found: readonly string[];
  readonly trace: readonly string[];
  readonly tasks: number;
  readonly nowMs: number;
}

/** The world of the program that runs now; it gets the exceptions that nobody catches. */
let running: World | undefined;
process.on("uncaughtException", (error) => running?.uncaught.push(error));
process.on("unhandledRejection", (error) => running?.uncaught.push(error));

export async function run(
  program: Program,
  seed: number,
  shipped: Shipped,
  coverage: Coverage,
): Promise<Outcome> {
  return new Run(new Environment(program, seed, shipped, coverage)).go();
}

class Run {
  readonly #env: Environment;
  readonly #faults: Faults;
  readonly #tabs: Tabs;
  #lastNo = 0;

  constructor(env: Environment) {
    this.#env = env;
    this.#faults = new Faults(env);
    this.#tabs = new Tabs(env, (subject) => this.#faults.token(subject));
  }

  async go(): Promise<Outcome> {
    const { program, trace, world } = this.#env;
    globalThis.setImmediate = world.storageStep as unknown as typeof setImmediate;
    running = world;
    try {
      await this.#env.startHub();
      await this.#prepareSecond();
      for (const step of program.steps) await this.#step(step);
      await this.#env.pass(1);
      this.#env.say("all faults are over");
      await this.#faults.endAll();
      const found = await new Checks(this.#env, this.#faults, this.#tabs, () => ++this.#lastNo).run();
      this.#env.say("the end");
      return { found, trace, tasks: world.tasksRun, nowMs: world.nowMs };
    } finally {
      for (const page of this.#tabs.pages) page.kill();
      for (const profile of this.#env.allProfiles) for (const page of [...profile.pages]) page.kill();
      this.#env.hub?.close();
      await world.settle();
    }
  }

  /** Gives the second browser what the program says is special about it. */
  async #prepareSecond(): Promise<void> {
    const { model, profiles, program } = this.#env;
    if (program.second !== "ordinary") model.unsteady.add(profiles.B.name);
    if (program.second === "own database") await this.#env.wait(profiles.B.databases.makeOwn(outboxName));
  }

  async #step(step: Step): Promise<void> {
    if (step.afterMs > 0) await this.#env.pass(step.afterMs);
    this.#env.say(lineOf(step));
    if ("fault" in step) {
      await this.#faults.start(step, this.#tabs.of(step.client).profile);
      return;
    }
    const where = "client" in step ? this.#tabs.of(step.client).profile.name : "A";
    this.#env.coverage.call(step.do, this.#faults.activeAt(where));
    await this.#call(step);
  }

  async #call(call: Call): Promise<void> {
    switch (call.do) {
      case "reload":
        await this.#tabs.reload(this.#tabs.of(call.client));
        return;
      case "kill":
        this.#tabs.kill(this.#tabs.of(call.client));
        return;
      case "worker": {
        const { profile } = this.#tabs.of(call.client);
        if (call.kill) await profile.killWorker();
        else void profile.sync("longhaul-outbox");
        return;
      }
      case "post":
        void post(this.#env.read, topics[call.topic] ?? "t/0", ++this.#lastNo).catch(() => {});
        return;
      default: {
        const no = this.#lastNo + 1;
        this.#lastNo += publicationsOf(call);
        this.#tabs.inPage(this.#tabs.of(call.client), (agent) => agent.call(call satisfies PageCall, no));
      }
    }
  }
}
