// A back end of the hub, without a line between them (rules P1 to P9 of docs/protocol.md).

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
      const answer = JSON.parse(body);
      if (status === 410) {
        // The hub no longer retains earlier entries.
        from = answer.firstSeq;
        continue;
      }
      check(status, answer);
      if (answer.entries.length === 0) return entries;
      entries.push(...answer.entries);
      from += answer.entries.length;
    }
  }

  document(topic: string): unknown {
    const { status, body } = this.#ask("GET", topic);
    const answer = JSON.parse(body);
    if (status === 404) return undefined;
    check(status, answer);
    return answer;
  }

  #write(method: string, topic: string, type: string, data: unknown, key: string | undefined): Published {
    const headers = ["content-type", type, ...(key === undefined ? [] : ["idempotency-key", key])];
    const { status, body } = this.#ask(method, topic, "", headers, JSON.stringify(data));
    const answer = JSON.parse(body);
    check(status, answer);
    return answer;
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

/** Throws the code and the detail of a problem. */
function check(status: number, answer: { code?: string; detail?: string }): void {
  if (status >= 400) throw new Error(`${answer.code}: ${answer.detail}`);
}
