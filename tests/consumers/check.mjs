// Builds an app with each tool, loads it in Chromium, and checks what it did (app/round-trip.js).

import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./serve.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** What app/round-trip.js returns in a page. */
const expected = { got: { n: 1 }, isDurable: true, value: { n: 2 }, errors: [] };

/**
 * Loads a page in a browser of its own, and returns what it did. `more` may act on the page before
 * its end.
 */
async function visit(browser, url, hub, more) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    await page.goto(`${url}?hub=${encodeURIComponent(hub)}`);
    const result = await page
      .waitForFunction(() => globalThis.result, undefined, { timeout: 40_000 })
      .then((handle) => handle.jsonValue())
      .catch((error) => ({ error: String(error) }));
    const added = result.error === undefined ? await more?.(page, hub) : undefined;
    return { result: { ...result, ...added }, faults };
  } finally {
    await context.close();
  }
}

/**
 * Runs one consumer. It may return
 * - nothing: its folder `out` is served
 * - `folder` and `headers`: that folder is served
 * - `url` and `close`: it has a server of its own
 * - `isFine` and `result`: it needs no page
 * - `skipped`: why it can't run here
 */
async function run(consumer, name, { browser, hub, tarball }) {
  const app = join(here, "tools/apps", name.replace(/[^\w]+/g, "-"));
  const out = join(app, "dist");
  rmSync(app, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  cpSync(join(here, "app"), app, { recursive: true });
  const made = (await consumer({ app, out, hub, tarball })) ?? {};
  if (made.skipped || "isFine" in made) return made;
  const { folder = out, headers, more, wanted = expected } = made;
  const server = made.url === undefined ? await serve(folder, headers) : made;
  try {
    const { result, faults } = await visit(browser, server.url, hub, more);
    const isFine = JSON.stringify(result) === JSON.stringify(wanted) && faults.length === 0;
    return { isFine, result, faults };
  } finally {
    await server.close();
    await made.end?.();
  }
}

/** Runs consumers by name. Returns the names of those that failed. */
export async function check(consumers, where) {
  const failed = [];
  for (const [name, consumer] of Object.entries(consumers)) {
    const startMs = Date.now();
    const outcome = await run(consumer, name, where).catch((error) => ({ result: { error: String(error) } }));
    const seconds = ((Date.now() - startMs) / 1_000).toFixed(1);
    if (outcome.skipped) console.log(`· ${name}: skipped, ${outcome.skipped}`);
    else console.log(`${outcome.isFine ? "✓" : "✗"} ${name} (${seconds} s)`);
    if (outcome.skipped || outcome.isFine) continue;
    failed.push(name);
    console.log(`    ${JSON.stringify(outcome).slice(0, 2_000)}`);
  }
  return failed;
}
