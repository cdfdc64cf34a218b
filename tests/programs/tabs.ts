// The tabs of a program, each with its page and the app in it. A call opens a page where the tab
// has none, and waits until the page has evaluated the package.

import type { Client, Options } from "longhaul";
import { Agent } from "./agent.js";
import type { Page } from "./browser/page.js";
import type { Profile } from "./browser/profile.js";
import type { Environment } from "./environment.js";
import type { Note } from "./note.js";
import { type ClientNo, profiles, tabOf } from "./program.js";

/** How long a user waits before loading a page again whose script did not arrive, ms. */
const reloadMs = 1_000;

type Connect = (url: string, options: Options) => Client;

export interface Tab {
  readonly profile: Profile;
  readonly session: Map<string, string>;
  page: Page | undefined;
  /** The page's prefix in the names of its clients. */
  name: string;
  /** The app, once the page has evaluated the package. */
  agent: Agent | undefined;
  /** Calls that wait for the agent; they then run in one turn. */
  waiting: ((agent: Agent) => void)[];
}

export class Tabs {
  readonly #env: Environment;
  readonly #token: (subject: string) => Promise<string>;
  readonly #tabs: readonly Tab[];
  #lastPage = 0;

  constructor(env: Environment, token: (subject: string) => Promise<string>) {
    this.#env = env;
    this.#token = token;
    this.#tabs = profiles.map((name) => ({
      profile: env.profiles[name],
      session: new Map(),
      page: undefined,
      name: "",
      agent: undefined,
      waiting: [],
    }));
  }

  /** The tab of a client. */
  of(client: ClientNo): Tab {
    return this.#tabs[tabOf[client]] as Tab;
  }

  get agents(): Agent[] {
    return this.#tabs.flatMap(({ agent }) => agent ?? []);
  }

  get pages(): Page[] {
    return this.#tabs.flatMap(({ page }) => page ?? []);
  }

  /** Runs in the tab's page: at once, or when the page has evaluated the package. */
  inPage(tab: Tab, run: (agent: Agent) => void): void {
    if (tab.agent !== undefined) {
      run(tab.agent);
      return;
    }
    tab.waiting.push(run);
    if (tab.page === undefined) this.#open(tab);
  }

  /** Opens a client in each profile, which sends what that profile has stored. */
  connectAll(): void {
    for (const client of [0, 2] as const) this.connect(client);
  }

  connect(client: ClientNo): void {
    this.inPage(this.of(client), (agent) => agent.call({ do: "connect", client }, 0));
  }

  /** Reloads the page; its open clients connect again in the next one. */
  async reload(tab: Tab): Promise<void> {
    const { agent, page } = tab;
    if (page === undefined) return;
    this.#forget(tab);
    await page.unload();
    for (const client of agent?.openClients ?? []) this.connect(client);
  }

  /** Kills the page, and with it the tab's session. */
  kill(tab: Tab): void {
    const { page } = tab;
    if (page === undefined) return;
    this.#forget(tab);
    page.kill();
    tab.session.clear();
  }

  #forget(tab: Tab): void {
    this.#env.model.gone(tab.name);
    tab.page = undefined;
    tab.agent = undefined;
    tab.waiting = [];
  }

  #open(tab: Tab): void {
    const page = tab.profile.open(tab.session);
    tab.page = page;
    tab.name = `p${++this.#lastPage}.`;
    const load = (): void => {
      page.import("index.js").then(
        (exported) => {
          if (tab.page !== page) return;
          const { connect } = exported as { connect: Connect };
          const agent = this.#makeAgent(tab, page, connect);
          tab.agent = agent;
          for (const run of tab.waiting.splice(0)) run(agent);
        },
        () => {
          // The app's own script did not arrive: the user loads the page again.
          page.task(reloadMs, load);
        },
      );
    };
    load();
  }

  #makeAgent(tab: Tab, page: Page, connect: Connect): Agent {
    const { hub, model, program } = this.#env;
    const { name: profile } = tab.profile;
    const options = {
      page: tab.name,
      profile,
      url: hub.url,
      deadLetterPolicy: program.deadLetterPolicy,
      resume: program.resume,
      transports: program.transports,
      token: program.token ? () => this.#token(profile) : undefined,
    };
    return new Agent(connect, options, (note) => {
      // A dead page can report nothing.
      if (page.isDead) return;
      model.note(note);
      const line = lineOfNote(note);
      if (line !== undefined) this.#env.say(`  ${line}`);
    });
  }
}

/** A note as people read it in a trace. Messages and receipts would be too many. */
function lineOfNote(note: Note): string | undefined {
  const isFrequent = ["message", "promised", "subscribed", "published", "receipt", "acked"].includes(
    note.type,
  );
  if (isFrequent || (note.type === "settled" && note.code === "")) return undefined;
  return Object.values(note).join(" ");
}
