// A CRDT on a topic: examples/yjs in real pages, with a line that is cut while both edit.

import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { buildSync } from "esbuild";
import { test as base, expect, quick } from "./support/fixtures.js";
import { type FaultProxy, startFaultProxy } from "./support/proxies.js";

const test = base.extend<{ line: FaultProxy }>({
  line: async ({ hub }, use) => {
    const line = await startFaultProxy(Number(new URL(hub.url).port));
    await use(line);
    await line.stop();
  },
});

declare global {
  var example: { Y: typeof import("yjs"); bind: typeof import("../../examples/yjs/bind.js").bind };
  var doc: import("yjs").Doc;
}

const bundle = buildSync({
  stdin: {
    contents: `import * as Y from "yjs"; import { bind } from "../examples/yjs/bind.ts"; globalThis.example = { Y, bind };`,
    resolveDir: fileURLToPath(new URL("..", import.meta.url)),
  },
  bundle: true,
  format: "iife",
  write: false,
}).outputFiles[0]?.text;

async function open(page: Page, url: string): Promise<void> {
  await page.addScriptTag({ content: bundle ?? "" });
  await page.evaluate(
    ([url, options]) => {
      globalThis.opened = longhaul.open(url, options);
      globalThis.doc = new example.Y.Doc();
      example.bind(doc, opened.client.topic("notes"));
    },
    [url, quick] as const,
  );
}

const write = (page: Page, at: number, text: string): Promise<void> =>
  page.evaluate(([at, text]) => doc.getText("notes").insert(at, text), [at, text] as const);

const read = (page: Page): Promise<string> => page.evaluate(() => doc.getText("notes").toString());

const reads = (page: Page, text: string): Promise<unknown> =>
  expect.poll(() => read(page), { timeout: 20_000 }).toBe(text);

test("two pages edit while one is cut off, and both get both edits", async ({ hub, line, page, newPage }) => {
  const other = await newPage();
  await open(page, hub.url);
  await open(other, line.url);
  await write(page, 0, "milk, bread");
  await reads(other, "milk, bread");

  await line.setFaults({ accept: "reset" });
  await line.cut();
  await other.waitForFunction(() => opened.client.status.state !== "connected");
  await write(page, 0, "eggs, ");
  await write(other, 11, ", tea");
  await other.evaluate(() => doc.getText("notes").delete(0, 4));
  expect(await read(other)).toBe(", bread, tea");
  expect(await read(page)).toBe("eggs, milk, bread");

  await line.setFaults();
  await reads(page, "eggs, , bread, tea");
  await reads(other, "eggs, , bread, tea");
  const late = await newPage();
  await open(late, hub.url);
  await reads(late, "eggs, , bread, tea");
});

test("a hub that has lost everything gets it back from the pages", async ({ hub, page, newPage }) => {
  await open(page, hub.url);
  await write(page, 0, "kept by its readers");
  const other = await newPage();
  await open(other, hub.url);
  await reads(other, "kept by its readers");
  await hub.kill();
  await hub.restart();
  const late = await newPage();
  await open(late, hub.url);
  await reads(late, "kept by its readers");
  expect(await other.evaluate(() => opened.errors)).toEqual([]);
});
