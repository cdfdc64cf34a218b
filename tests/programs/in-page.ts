// What is put into the pages of real Chromium: the agent, which tells Node by a binding.

import type * as api from "longhaul";
import { Agent, type AgentOptions, type PageCall } from "./agent.js";
import type { Note } from "./note.js";

export interface InPage {
  begin(options: Omit<AgentOptions, "token">): void;
  /** Calls of one turn. */
  turn(calls: readonly { call: PageCall; no: number }[]): void;
  agent: Agent;
}

declare global {
  /** Playwright's binding. */
  var tellModel: (note: Note) => Promise<void>;
  var inPage: InPage;
}

globalThis.inPage = {
  begin(options) {
    const { connect } = globalThis.longhaul as unknown as { connect: typeof api.connect };
    this.agent = new Agent(connect, { ...options, token: undefined }, (note) => void tellModel(note));
  },
  turn(calls) {
    for (const { call, no } of calls) this.agent.call(call, no);
  },
} as InPage;
