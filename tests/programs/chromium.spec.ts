// Runs programs in real Chromium against the real hub, over each transport. Calls and model are
// those of Node; the faults are those that Playwright can cause. Time is real, so the waits are
// short.

import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "@playwright/test";
import { buildSync } from "esbuild";
import fc from "fast-check";
import { expect, test } from "../e2e/support/fixtures.js";
import { Hub } from "../e2e/support/hub.js";
import { type ClientView, firstUnsettled, type PageCall } from "./agent.js";
import type {} from "./in-page.js";
import { post, type Read, readLog, readLogs } from "./logs.js";
import { type End, Model } from "./model.js";
import type { Note } from "./note.js";
import {
  type Call,
  type ClientNo,
  lineOf,
  type Program,
  profiles,
  programs,
  publicationsOf,
  type Step,
  tabOf,
  topics,
} from "./program.js";
import { checkPromises } from "./promises.js";

/** How many programs one `npm test` runs. */
const programsCount = 200;

/** How many programs share the browser of one test. */
const perTest = 10;

/** The longest wait before a step, ms. Chosen: longer than an exchange with a local hub. */
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

/** Repeats one program: LONGHAUL_PROGRAM=95 npm test -- --only programs-chromium */
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
      const found = await run.go().finally(() => run.over());
      expect(found, `program ${seed}:\n${run.trace.join("\n")}`).toEqual([]);
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
    // On a busy machine storage may take longer than the package waits for it.
    for (const profile of profiles) this.#model.unsteady.add(profile);
  }

  async over(): Promise<void> {
    for (const context of this.#contexts.values()) await context.close();
    await this.#hub.kill();
  }

  async go(): Promise<string[]> {
    // Steps without a wait between them run in one turn of their page.
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
      const tab = this.#tab(call.client);
      if (turn !== undefined && turn.tab !== tab) await make();
      turn ??= { tab, calls: [] };
      // A passive subscription may receive a message a minute later, and time is real here.
      const made = call.do === "subscribe" ? { ...call, passive: false } : call;
      turn.calls.push({ call: made, no: this.#lastNo + 1 });
      this.#lastNo += publicationsOf(call);
    }
    await make();
    return this.#end();
  }

  #tab(client: ClientNo): Tab {
    return this.#tabs[tabOf[client]] as Tab;
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
    // Notes may arrive after their page's end, when the model counts it as dead.
    if (!this.#tabs.some((tab) => tab.page === page)) return;
    this.#model.note(note);
    if (["status", "error", "deadletter", "dead", "rejected", "gap"].includes(note.type))
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
    const { deadLetterPolicy, resume, transports } = this.#program;
    const options = {
      page: tab.name,
      profile: tab.profile,
      url: this.#hub.url,
      deadLetterPolicy,
      resume,
      transports,
    };
    await page.evaluate((options) => inPage.begin(options), options);
  }

  #gone(tab: Tab): void {
    this.#model.gone(tab.name);
    tab.page = undefined;
  }

  /** Runs a step that happens outside the page: a reload, a kill, a post, a fault. */
  async #outside(step: Step): Promise<void> {
    if ("do" in step) {
      if (step.do === "post") await this.#post(topics[step.topic] ?? "t/0");
      const tab = step.do === "kill" || step.do === "reload" ? this.#tab(step.client) : undefined;
      if (tab?.page === undefined) return;
      const { page } = tab;
      if (step.do === "kill") {
        this.#gone(tab);
        await page.close();
        return;
      }
      const clients = await page.evaluate(() => inPage.agent.openClients);
      this.#model.gone(tab.name);
      await page.reload();
      await this.#begin(tab, page);
      await page.evaluate(
        (calls) => inPage.turn(calls),
        clients.map((client) => ({ call: { do: "connect" as const, client }, no: 0 })),
      );
      return;
    }
    const { profile } = this.#tab(step.client);
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
      // Only the programs in Node have faults of time, storage and tokens.
    }
  }

  async #end(): Promise<string[]> {
    for (const context of this.#contexts.values()) {
      await context.unrouteAll();
      await context.setOffline(false);
    }
    await this.#connectAll();
    const found: string[] = [];
    const untilMs = Date.now() + settleMs;
    let why: string | undefined;
    do {
      await pause(waitMs);
      await this.#connectAll();
      why = await this.#unsettled();
    } while (why !== undefined && Date.now() < untilMs);
    for (const { page } of this.#tabs) await page?.evaluate(() => inPage.agent.stopListening());
    if (why !== undefined) found.push(`does not settle: ${why}`);
    // The hub has the whole document now, so a late follower gets a snapshot larger than a frame.
    if (this.#program.also === "large document") {
      const page = await this.#page(this.#tab(4));
      await page.evaluate(() => inPage.turn([{ call: { do: "follow", client: 4, document: 1 }, no: 0 }]));
    }
    const ends = new Map(
      await Promise.all(topics.map(async (topic) => [topic, await this.#post(topic)] as const)),
    );
    const areUpToDate = (): boolean =>
      [...this.#model.subscriptions.values()].every((each) => this.#model.isUpTo(each, ends));
    while (!areUpToDate() && Date.now() < untilMs) await pause(waitMs);
    await this.#readLogs(false);
    let differing = await this.#differing();
    while (differing.length > 0 && Date.now() < untilMs) {
      await pause(waitMs);
      differing = await this.#differing();
    }
    return [...found, ...differing, ...checkPromises(this.#model)];
  }

  /**
   * Opens a client in each profile, which sends what that profile has stored. A listener may have
   * closed the last one.
   */
  async #connectAll(): Promise<void> {
    for (const client of [0, 2] as const) {
      const page = await this.#page(this.#tab(client));
      await page.evaluate((client) => inPage.turn([{ call: { do: "connect", client }, no: 0 }]), client);
    }
  }

  /** The documents that differ from the hub's. */
  async #differing(): Promise<string[]> {
    const found: string[] = [];
    for (const view of await this.#views()) {
      for (const document of view.documents) {
        const response = await fetch(`${this.#hub.url}/v1/topics/${document.name}`);
        const value = JSON.stringify(response.ok ? await response.json() : null);
        const seen = JSON.stringify(document.value);
        if (seen !== value) found.push(`${view.name}: ${document.name} is ${seen}, the hub has ${value}`);
      }
    }
    return found.map((text) => text.slice(0, 1_000));
  }

  async #views(): Promise<ClientView[]> {
    const pages = this.#tabs.flatMap(({ page }) => page ?? []);
    return (await Promise.all(pages.map((page) => page.evaluate(() => inPage.agent.views())))).flat();
  }

  async #unsettled(): Promise<string | undefined> {
    if (this.#program.deadLetterPolicy === "pause") {
      for (const { page } of this.#tabs) await page?.evaluate(() => inPage.agent.discardDeadLetters());
    }
    for (const { page } of this.#tabs) {
      // Without the documents themselves, which may be large.
      const clients = await page?.evaluate(() =>
        inPage.agent.views().map(({ name, state, size, pending }) => ({ name, state, size, pending })),
      );
      const why = firstUnsettled(clients ?? []);
      if (why !== undefined) return why;
    }
    return this.#model.unsettled();
  }

  readonly #read: Read = (path, init) => fetch(`${this.#hub.url}${path}`, init);

  async #post(topic: string): Promise<End> {
    return (await (await post(this.#read, topic, ++this.#lastNo)).json()) as End;
  }

  async #readLogs(isCut: boolean): Promise<void> {
    await readLogs(this.#model, async (topic) => {
      const log = await readLog(this.#read, topic);
      if (log === undefined) throw new Error(`the hub does not give the log of ${topic}`);
      return { ...log, isCut };
    });
  }
}

/** The call, if a page makes it. */
function pageCall(call: Call): PageCall | undefined {
  return call.do === "reload" || call.do === "kill" || call.do === "worker" || call.do === "post"
    ? undefined
    : call;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
