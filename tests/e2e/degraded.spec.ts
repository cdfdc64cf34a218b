// Browsers that lack an API, or throw when a script reads it: the client works without, and reports
// what it can't do.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { WebSocket } from "ws";
import { fakeHub } from "./support/fake-hub.js";
import { expect, quick, test } from "./support/fixtures.js";
import { hubEntries } from "./support/hub.js";
import { serveSite } from "./support/site.js";

/** The object that has each API. */
const apis = [
  "localStorage",
  "sessionStorage",
  "indexedDB",
  "BroadcastChannel",
  "performance",
  "crypto",
  "crypto.getRandomValues",
  "crypto.randomUUID",
  "crypto.subtle",
  "navigator.locks",
  "navigator.serviceWorker",
  "navigator.storage",
  "navigator.permissions",
  "navigator.connection",
  "navigator.onLine",
  "performance.now",
  "performance.getEntriesByType",
] as const;

type How = "is missing" | "throws";

/** Removes the APIs from the page before any code of the package runs. */
async function takeAway(page: Page, names: readonly string[], how: How): Promise<void> {
  await page.evaluate(
    ([names, how]) => {
      for (const name of names) {
        const path = name.split(".");
        const last = path.pop() ?? "";
        // An API on a part of the page that is removed already is gone with it.
        const owner = path.reduce<object | undefined>((at, key) => {
          try {
            return (at as Record<string, object> | undefined)?.[key];
          } catch {
            return undefined;
          }
        }, globalThis);
        if (owner === undefined) continue;
        const get = (): undefined => {
          if (how === "throws") throw new DOMException("The operation is insecure.", "SecurityError");
        };
        Object.defineProperty(owner, last, { get, configurable: true });
      }
    },
    [names, how] as const,
  );
}

/**
 * Publishes, listens, follows a document, calls everything that a client has, and logs out. Returns
 * the codes of errors.
 */
async function useAll(page: Page, url: string): Promise<unknown> {
  return page.evaluate(
    async ([url, options]) => {
      const { client, errors } = longhaul.open(url, { ...options, resume: true });
      const { log } = longhaul.record(client, "t", { from: "start" });
      await (await client.topic("t").publish({ by: "page", n: 1 })).acked;
      const shown = new Promise((resolve) => client.document("d").subscribe(resolve));
      await (await client.document("d").merge({ a: 1 })).acked;
      await shown;
      while (log.length < 1) await new Promise(requestAnimationFrame);
      const rows = await client.outbox.rows();
      const deadLetters = await client.outbox.deadLetters();
      await client.outbox.flush();
      await client.outbox.persist();
      const { advice, transport } = await client.diagnose();
      await client.outbox.wipe();
      await client.close();
      return { errors, rows, deadLetters, advice: advice.slice(0, 11), transport };
    },
    [url, quick] as const,
  );
}

const all = { errors: [], rows: [], deadLetters: [], advice: "All is well", transport: "websocket" };

for (const how of ["is missing", "throws"] as const) {
  for (const name of apis) {
    test(`f06: a client works in a page where ${name} ${how}`, async ({ hub, page }) => {
      await takeAway(page, [name], how);
      expect(await useAll(page, hub.url)).toEqual(all);
      expect(await hubEntries(hub, "t")).toHaveLength(1);
    });
  }

  test(`f06: a client works in a page where everything ${how}`, async ({ hub, page }) => {
    await takeAway(page, apis, how);
    expect(await useAll(page, hub.url)).toEqual(all);
    expect(await hubEntries(hub, "t")).toHaveLength(1);
  });
}

for (const outbox of [undefined, false] as const) {
  test(`f06: a client works in a sandboxed frame with an opaque origin, ${outbox === false ? "without" : "with"} an outbox`, async ({
    hub,
    page,
  }) => {
    // A frame with an opaque origin loads everything by CORS, which the usual site does not allow.
    const dist = fileURLToPath(new URL("../../js/dist/", import.meta.url));
    const site = await serveSite("e2e/page", (path, _request, response) => {
      const name = path.replace("/longhaul/", "");
      if (name === "/frame.html") {
        response.writeHead(200, { "content-type": "text/html" });
        response.end('<iframe sandbox="allow-scripts" src="/index.html"></iframe>');
        return true;
      }
      const folder = path.startsWith("/longhaul/") ? dist : fileURLToPath(new URL("page/", import.meta.url));
      const file = folder + name.replace(/^\//, "");
      const type = { js: "text/javascript", html: "text/html", wasm: "application/wasm" }[
        name.split(".").at(-1) ?? ""
      ];
      if (type === undefined) return false;
      response.writeHead(200, { "content-type": type, "access-control-allow-origin": "*" });
      response.end(readFileSync(file));
      return true;
    });
    // The hub does not serve opaque origins, so the site between them sends no origin.
    const bridge = await fakeHub((socket) => {
      const inner = new WebSocket(`${hub.url.replace("http", "ws")}/v1/connect`, "longhaul.v1");
      const early: string[] = [];
      inner.on("open", () => {
        for (const text of early.splice(0)) inner.send(text);
      });
      inner.on("message", (data) => socket.send(String(data)));
      inner.on("close", () => socket.close());
      socket.on("message", (data) => {
        if (inner.readyState === WebSocket.OPEN) inner.send(String(data));
        else early.push(String(data));
      });
      socket.on("close", () => inner.close());
    });
    try {
      await page.goto(`${site.url}frame.html`);
      const frame = page.frames()[1];
      if (frame === undefined) throw new Error("there is no frame");
      await frame.waitForFunction(() => "longhaul" in globalThis);
      expect(await frame.evaluate(() => origin)).toBe("null");
      const result = await frame.evaluate(
        async ([url, options]) => {
          const { client, errors } = longhaul.open(url, options);
          const { durable, acked } = await client.topic("t").publish({ by: "page", n: 1 });
          await acked;
          await client.outbox.wipe();
          await client.close();
          return { errors, durable };
        },
        [bridge.url, { ...quick, ...(outbox === false && { outbox }) }] as const,
      );
      expect(result).toEqual({ errors: [], durable: false });
      expect(await hubEntries(hub, "t")).toHaveLength(1);
    } finally {
      bridge.close();
      site.close();
    }
  });
}
