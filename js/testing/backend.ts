// What a back end does with the hub, without a line in between: rules P1 to P9 of docs/protocol.md.

import type { Entry, Published } from "./api.js";
import type { Server } from "./server.js";

interface Answer {
  readonly status: number;
  readonly body: string;
}

export class Backend {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  publish(topic: string, data: unknown, key?: string): Published {
    return this.#write("POST", topic, "application/json", data, key);
  }

  change(topic: string, kind: "json-patch" | "merge-patch", data: unknown, key?: string): Published {
    return this.#write("PATCH", topic, `application/${kind}+json`, data, key);
  }

  entries(topic: string): readonly Entry[] {
    const entries: Entry[] = [];
    for (let from = 1; ; ) {
      const { status, body } = this.#ask("GET", topic, `from=${from}`);
      const told = JSON.parse(body);
      if (status === 410) {
        // What was before is no longer retained.
        from = told.firstSeq;
        continue;
      }
      check(status, told);
      if (told.entries.length === 0) return entries;
      entries.push(...told.entries);
      from += told.entries.length;
    }
  }

  document(topic: string): unknown {
    const { status, body } = this.#ask("GET", topic);
    const told = JSON.parse(body);
    if (status === 404) return undefined;
    check(status, told);
    return told;
  }

  #write(method: string, topic: string, type: string, data: unknown, key: string | undefined): Published {
    const headers = ["content-type", type, ...(key === undefined ? [] : ["idempotency-key", key])];
    const { status, body } = this.#ask(method, topic, "", headers, JSON.stringify(data));
    const told = JSON.parse(body);
    check(status, told);
    return told;
  }

  #ask(method: string, topic: string, query = "", headers: readonly string[] = [], body = ""): Answer {
    if (!this.#server.isUp) throw new Error("the hub is stopped");
    const bytes = new TextEncoder().encode(body);
    const list = JSON.stringify(headers);
    return JSON.parse(
      this.#server.act((core) => core.request(method, `/v1/topics/${topic}`, query, list, bytes, true)),
    );
  }
}

/** Throws what a problem says. */
function check(status: number, told: { code?: string; detail?: string }): void {
  if (status >= 400) throw new Error(`${told.code}: ${told.detail}`);
}
