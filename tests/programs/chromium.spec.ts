// Programs in real Chromium against the real hub, over each transport: the same calls and the same model as in Node, and the
// faults that a browser can be given. Time is real, so waits are short; chance comes from the program's seed alone.

import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "@playwright/test";
import { buildSync } from "esbuild";
import fc from "fast-check";
import { expect, test } from "../e2e/support/fixtures.js";
import { Hub } from "../e2e/support/hub.js";
import type { Look, PageCall } from "./agent.js";
import type {} from "./in-page.js";
import { type End, type Log, Model } from "./model.js";
import type { Note } from "./note.js";
import {
  type Call,
  lineOf,
  type Program,
  profiles,
  programs,
  type Step,
  tabOf,
  topics,
  type Who,
} from "./program.js";

/** In one `npm test`. */
const programsCount = 200;

/** Programs of one test: they share its browser. */
const perTest = 10;

/** What a step waits at most, ms. Chosen: longer than an exchange with the hub of this machine. */
const waitMs = 60;

/** How long everything may take to settle once all faults are over, ms. */
const settleMs = 30_000;

const transports = ["websocket", "eventsource", "longpoll"] as const;

const agent = buildSync({
  entryPoints: [fileURLToPath(new URL("in-page.ts", import.meta.url))],
  bundle: true,
  format: "iife",
  write: false,
}).outputFiles[0]?.text;

/** One program again: LONGHAUL_PROGRAM=95 npm test -- --only programs-chromium */
const only = Number(process.env["LONGHAUL_PROGRAM"] ?? 0);

for (let first = only || 1; first <= (only || programsCount); first += perTest) {
  const transport = transports[(((first - 1) / perTest) % transports.length) | 0];
  const last = only || first + perTest - 1;
  test(`programs ${first} to ${last} over ${transport}`, async ({ browser, siteUrl }) => {
    for (let seed = first; seed <= last; seed++) {
      const [program] = fc.sample(programs, { seed, numRuns: 1 });
      const hub = await Hub.start();
      const run = new InChromium(
        { ...(program as Program), transports: [transport as "websocket"] },
        hub,
        siteUrl,
        () => browser.newContext(),
      );
      const faults = await run.go().finally(() => run.over());
      expect(faults, `program ${seed}:\n${run.trace.join("\n")}`).toEqual([]);
    }
  });
}

interface Tab {
  readonly profile: "A" | "B";
  page: Page | undefined;
  name: string;
}

class InChromium {
  readonly trace: string[] = [];
  readonly #model = new Model();
  readonly #program: Program;
  readonly #hub: Hub;
  readonly #siteUrl: string;
  readonly #newContext: () => Promise<BrowserContext>;
  readonly #contexts = new Map<string, BrowserContext>();
  readonly #tabs: readonly Tab[] = profiles.map((profile) => ({
    profile,
    page: undefined,
    name: "",
  }));
  #lastNo = 0;
  #lastPage = 0;

  constructor(program: Program, hub: Hub, siteUrl: string, newContext: () => Promise<BrowserContext>) {
    this.#program = program;
    this.#hub = hub;
    this.#siteUrl = siteUrl;
    this.#newContext = newContext;
    // On a busy machine storage takes longer than the package waits for it.
    for (const profile of profiles) this.#model.unsteady.add(profile);
  }

  async over(): Promise<void> {
    for (const context of this.#contexts.values()) await context.close();
    await this.#hub.kill();
  }

  async go(): Promise<string[]> {
    // Steps that follow at once are one turn of their page.
    let turn: { tab: Tab; calls: { call: PageCall; no: number }[] } | undefined;
    const make = async (): Promise<void> => {
      if (turn === undefined) return;
      const { tab, calls } = turn;
      turn = undefined;
      const page = await this.#page(tab);
      await page.evaluate((calls) => inPage.turn(calls), calls);
    };
    for (const step of this.#program.steps) {
      if (step.afterMs > 0) {
        await make();
        await pause(Math.min(step.afterMs, waitMs));
      }
      this.trace.push(lineOf(step));
      const call = "do" in step ? pageCall(step) : undefined;
      if (call === undefined) {
        await make();
        await this.#outside(step);
        continue;
      }
      const tab = this.#tab(call.who);
      if (turn !== undefined && turn.tab !== tab) await make();
      turn ??= { tab, calls: [] };
      // One that is passive may hear of a message a minute later, and time is real here.
      const made = call.do === "subscribe" ? { ...call, passive: false } : call;
      turn.calls.push({ call: made, no: this.#lastNo + 1 });
      this.#lastNo += "count" in call ? call.count : call.do === "patch" || call.do === "inListener" ? 1 : 0;
    }
    await make();
    return this.#end();
  }

  #tab(who: Who): Tab {
    return this.#tabs[tabOf[who]] as Tab;
  }

  async #context(profile: string): Promise<BrowserContext> {
    let context = this.#contexts.get(profile);
    if (context === undefined) {
      context = await this.#newContext();
      await context.exposeBinding("tellModel", ({ page }, notes: Note[]) => {
        for (const note of notes) this.#note(page, note);
      });
      await context.addInitScript({ content: agent as string });
      this.#contexts.set(profile, context);
    }
    return context;
  }

  #note(page: Page, note: Note): void {
    // What a page said before its end may come after it: then it is noted, as what is known of a dead page.
    if (!this.#tabs.some((tab) => tab.page === page)) return;
    this.#model.note(note);
    if (["status", "error", "letter", "dead", "refused", "gap"].includes(note.type))
      this.trace.push(`  ${Object.values(note).join(" ")}`);
  }

  async #page(tab: Tab): Promise<Page> {
    if (tab.page === undefined) {
      const context = await this.#context(tab.profile);
      tab.page = await context.newPage();
      await this.#begin(tab, tab.page);
    }
    return tab.page;
  }

  async #begin(tab: Tab, page: Page): Promise<void> {
    if (page.url() !== this.#siteUrl) await page.goto(this.#siteUrl);
    await page.waitForFunction(() => "longhaul" in globalThis);
    tab.name = `p${++this.#lastPage}.`;
    const { poison, resume, transports } = this.#program;
    const options = {
      page: tab.name,
      profile: tab.profile,
      url: this.#hub.url,
      poison,
      resume,
      transports,
    };
    await page.evaluate((options) => inPage.begin(options), options);
  }

  #gone(tab: Tab): void {
    this.#model.gone(tab.name);
    tab.page = undefined;
  }

  /** What no page does by itself. */
  async #outside(step: Step): Promise<void> {
    if ("do" in step) {
      if (step.do === "post") await this.#post(topics[step.topic] ?? "t/0");
      const tab = step.do === "kill" || step.do === "reload" ? this.#tab(step.who) : undefined;
      if (tab?.page === undefined) return;
      const { page } = tab;
      if (step.do === "kill") {
        this.#gone(tab);
        await page.close();
        return;
      }
      const whos = await page.evaluate(() => inPage.agent.whos);
      this.#model.gone(tab.name);
      await page.reload();
      await this.#begin(tab, page);
      await page.evaluate(
        (calls) => inPage.turn(calls),
        whos.map((who) => ({ call: { do: "connect" as const, who }, no: 0 })),
      );
      return;
    }
    const { profile } = this.#tab(step.who);
    const context = this.#contexts.get(profile);
    if (context === undefined) return;
    switch (step.fault) {
      case "offline":
      case "blackhole":
      case "cut":
        await context.setOffline(true);
        await pause(Math.min(step.forMs, waitMs));
        await context.setOffline(false);
        return;
      case "restart":
      case "drain":
        await this.#readLogs(true);
        await (step.fault === "drain" ? this.#hub.stop() : this.#hub.kill());
        await pause(Math.min(step.forMs, waitMs));
        await this.#hub.restart();
        this.#model.forgotten();
        return;
      case "loading": {
        await context.route(
          (url) => url.pathname.startsWith(`/longhaul/${step.file || "longhaul"}`),
          (route) => (step.how === "status" ? route.fulfill({ status: 503 }) : route.abort()),
          { times: step.times },
        );
        return;
      }
      case "deleted": {
        const page = context.pages()[0];
        if (page === undefined) return;
        this.#model.unsteady.add(profile);
        this.#model.removed(profile);
        const session = await context.newCDPSession(page);
        const origin = new URL(this.#siteUrl).origin;
        await session.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
        await session.detach();
        return;
      }
      default:
      // Time, storage and tokens are made to fail in Node.
    }
  }

  async #end(): Promise<string[]> {
    for (const context of this.#contexts.values()) {
      await context.unrouteAll();
      await context.setOffline(false);
    }
    await this.#visit();
    const faults: string[] = [];
    const untilMs = Date.now() + settleMs;
    let why: string | undefined;
    do {
      await pause(waitMs);
      await this.#visit();
      why = await this.#unsettled();
    } while (why !== undefined && Date.now() < untilMs);
    for (const { page } of this.#tabs) await page?.evaluate(() => inPage.agent.stopListening());
    if (why !== undefined) faults.push(`does not settle: ${why}`);
    // All of it is at the hub by now: the snapshot of one who comes late is larger than a frame.
    if (this.#program.also === "large document") {
      const page = await this.#page(this.#tab(4));
      await page.evaluate(() => inPage.turn([{ call: { do: "follow", who: 4, document: 1 }, no: 0 }]));
    }
    const ends = new Map(
      await Promise.all(topics.map(async (topic) => [topic, await this.#post(topic)] as const)),
    );
    const heardAll = (): boolean =>
      [...this.#model.subscriptions.values()].every((each) => this.#model.isUpTo(each, ends));
    while (!heardAll() && Date.now() < untilMs) await pause(waitMs);
    await this.#readLogs(false);
    let differing = await this.#differing();
    while (differing.length > 0 && Date.now() < untilMs) {
      await pause(waitMs);
      differing = await this.#differing();
    }
    return [...faults, ...differing, ...this.#model.check()];
  }

  /** A client of every profile is there, to send what the profile has stored: a listener may close the last one. */
  async #visit(): Promise<void> {
    for (const who of [0, 2] as const) {
      const page = await this.#page(this.#tab(who));
      await page.evaluate((who) => inPage.turn([{ call: { do: "connect", who }, no: 0 }]), who);
    }
  }

  /** What followers have that the hub has not. */
  async #differing(): Promise<string[]> {
    const faults: string[] = [];
    for (const look of await this.#looks()) {
      for (const document of look.documents) {
        const response = await fetch(`${this.#hub.url}/v1/topics/${document.name}`);
        const value = JSON.stringify(response.ok ? await response.json() : null);
        const seen = JSON.stringify(document.value);
        if (seen !== value) faults.push(`${look.name}: ${document.name} is ${seen}, the hub has ${value}`);
      }
    }
    return faults.map((text) => text.slice(0, 1_000));
  }

  async #looks(): Promise<Look[]> {
    const pages = this.#tabs.flatMap(({ page }) => page ?? []);
    return (await Promise.all(pages.map((page) => page.evaluate(() => inPage.agent.look())))).flat();
  }

  async #unsettled(): Promise<string | undefined> {
    if (this.#program.poison === "pause") {
      for (const { page } of this.#tabs) await page?.evaluate(() => inPage.agent.discardLetters());
    }
    for (const { page } of this.#tabs) {
      // Without the documents themselves, which may be large.
      const clients = await page?.evaluate(() =>
        inPage.agent.look().map(({ name, state, size, pending }) => ({ name, state, size, pending })),
      );
      for (const { name, state, size, pending } of clients ?? []) {
        if (state !== "connected") return `${name} is ${state}`;
        if (size !== 0) return `${name} has outbox.size ${size}`;
        if (pending !== 0) return `${name} has ${pending} changes pending`;
      }
    }
    return this.#model.unsettled();
  }

  async #post(topic: string): Promise<End> {
    const body = JSON.stringify({ no: ++this.#lastNo });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${this.#hub.url}/v1/topics/${topic}`, { method: "POST", headers, body });
    return (await answer.json()) as End;
  }

  async #readLogs(isCut: boolean): Promise<void> {
    for (const topic of topics) {
      const entries: unknown[] = [];
      for (;;) {
        const answer = await fetch(`${this.#hub.url}/v1/topics/${topic}?from=${entries.length + 1}`);
        const page = (await answer.json()) as Pick<Log, "epoch"> & { entries: { data: unknown }[] };
        entries.push(...page.entries.map(({ data }) => data));
        if (page.entries.length > 0) continue;
        const known = this.#model.logs.get(topic) ?? [];
        if (entries.length > 0) {
          const log: Log = { epoch: page.epoch, firstSeq: 1, entries, isCut };
          this.#model.logs.set(topic, [...known.filter(({ epoch }) => epoch !== page.epoch), log]);
        }
        break;
      }
    }
  }
}

/** A call that a page makes. */
function pageCall(call: Call): PageCall | undefined {
  return call.do === "reload" || call.do === "kill" || call.do === "worker" || call.do === "post"
    ? undefined
    : call;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
