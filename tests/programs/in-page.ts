// The script that tests put into pages of real Chromium: the agent, which sends its notes to Node
// through a binding.

import type * as api from "longhaul";
import { Agent, type AgentOptions, type PageCall } from "./agent.js";
import type { Note } from "./note.js";

export interface InPage {
  begin(options: Omit<AgentOptions, "token">): void;
  /** Makes these calls in one turn. */
  turn(calls: readonly { call: PageCall; no: number }[]): void;
  agent: Agent;
}

declare global {
  /** Playwright's binding. */
  var tellModel: (notes: readonly Note[]) => Promise<void>;
  var inPage: InPage;
}

/** One call of the binding costs as much as a page's turn, so several notes share it. */
let notes: Note[] = [];

function flush(): void {
  if (notes.length > 0) void tellModel(notes);
  notes = [];
}

globalThis.inPage = {
  begin(options) {
    const { connect } = globalThis.longhaul as unknown as { connect: typeof api.connect };
    this.agent = new Agent(connect, { ...options, token: undefined }, (note) => {
      if (notes.length === 0) setTimeout(flush);
      notes.push(note);
    });
  },
  turn(calls) {
    for (const { call, no } of calls) this.agent.call(call, no);
    // The page may be killed next, so it sends its notes now.
    flush();
  },
} as InPage;
