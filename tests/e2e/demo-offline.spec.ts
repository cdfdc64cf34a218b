// The demo without a network: a reload with the line cut, the outbox on the page, and rows that a
// closed tab leaves to the service worker.

import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { Hub, hubEntries } from "./support/hub.js";

const site = fileURLToPath(new URL("../../www/dist", import.meta.url));

let hub: Hub;

test.beforeEach(async ({ page }) => {
  hub = await Hub.start(["--static", site]);
  await open(page);
});

test.afterEach(async () => {
  await hub.kill();
});

async function open(page: Page): Promise<void> {
  await page.goto(hub.url);
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "connected");
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
}

async function cut(page: Page): Promise<void> {
  await page.getByTestId("cut").click();
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "waiting");
}

async function write(page: Page, text: string): Promise<void> {
  await page.getByTestId("board-input").fill(text);
  await page.getByTestId("board-send").click();
}

async function notes(): Promise<string[]> {
  return (await hubEntries<{ text: string }>(hub, "demo/board")).map(({ data }) => data.text);
}

const texts = ["one", "two", "three"];

test("notes of a closed tab survive a reload with the line cut, and another browser sees them once and in order", async ({
  page,
  browser,
  context,
}) => {
  const other = await (await browser.newContext()).newPage();
  await open(other);
  await cut(page);
  for (const text of texts) await write(page, text);
  const rows = page.getByTestId("outbox-rows").locator(".row-text");
  await expect(rows).toHaveText(texts);
  await expect(page.getByTestId("outbox-rows").locator("li").first()).toContainText("demo/board");
  await expect(page.getByTestId("outbox-rows").locator("li").first()).toContainText("waiting");
  await expect(page.getByTestId("outbox-hint")).toHaveText(
    "The service worker sends it if you close this tab.",
  );

  const answer = await page.reload();
  expect(answer?.fromServiceWorker()).toBe(true);
  await expect(page.getByTestId("cut")).toHaveAttribute("aria-disabled", "true");
  await expect(rows).toHaveText(texts);
  await expect(page.getByTestId("outbox-size")).toHaveText("3");
  expect(await notes()).toEqual([]);

  // Another page keeps the browser open, without a client.
  await (await context.newPage()).goto(`${hub.url}/healthz`);
  await page.close();
  await expect(other.locator("li.note .note-text")).toHaveText(texts);
  await expect.poll(notes).toEqual(texts);
  await other.context().close();
});

test("the page opens without a hub, and notes written there arrive when the hub is back", async ({
  page,
}) => {
  await hub.kill();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Longhaul" })).toBeVisible();
  await write(page, "nobody there");
  await expect(page.getByTestId("outbox-rows")).toContainText("nobody there");
  await hub.restart();
  await page.getByTestId("retry").click();
  await expect(page.getByTestId("outbox-size")).toHaveText("0");
  await expect(page.getByTestId("outbox-hint")).toContainText("Nothing waits");
  expect(await notes()).toEqual(["nobody there"]);
});

test("s15: an expired note is a dead letter with its reason, and arrives after a retry", async ({ page }) => {
  await cut(page);
  await page.getByTestId("outbox-brief").click();
  const row = page.getByTestId("outbox-rows").locator("li");
  await expect(row).toContainText(/[2-9] s old/);
  await page.getByTestId("go-on").click();
  const letter = page.getByTestId("outbox-letters").locator("li");
  await expect(letter).toContainText("expired");
  await expect(page.getByTestId("outbox-size")).toHaveText("0");
  expect(await notes()).toEqual([]);
  await letter.getByRole("button", { name: /^Retry/ }).click();
  await expect(letter).toHaveCount(0);
  await expect.poll(notes).toHaveLength(1);
});

test("s16: a refused note is a dead letter, survives a reload, and goes when it is discarded", async ({
  page,
}) => {
  await page.getByTestId("outbox-refused").click();
  const letter = page.getByTestId("outbox-letters").locator("li");
  await expect(letter).toContainText("patch_failed");
  await page.reload();
  await expect(letter).toContainText("patch_failed");
  await letter.getByRole("button", { name: /^Discard/ }).click();
  await expect(letter).toHaveCount(0);
  await expect(page.getByTestId("outbox-hint")).toContainText("Nothing waits");
});

test("after a reload with the line cut the board shows the own notes that wait, and each once", async ({
  page,
}) => {
  await cut(page);
  await write(page, "before the reload");
  await expect(page.getByTestId("outbox-size")).toHaveText("1");
  await page.reload();
  const note = page.locator("li.note");
  await expect(note).toContainText("before the reload");
  await expect(note).toHaveClass(/is-sending/);
  await page.getByTestId("go-on").click();
  await expect.poll(notes).toEqual(["before the reload"]);
  await expect(note).not.toHaveClass(/is-sending/);
  await expect(note).toHaveCount(1);
});

test("a wipe leaves nothing to send", async ({ page }) => {
  await cut(page);
  await write(page, "never mind");
  await expect(page.getByTestId("outbox-size")).toHaveText("1");
  await page.getByTestId("outbox-wipe").click();
  await expect(page.getByTestId("outbox-wipe")).toHaveText("Delete all that waits?");
  await page.getByTestId("outbox-wipe").click();
  await expect(page.getByTestId("outbox-rows").locator("li")).toHaveCount(0);
  await page.getByTestId("go-on").click();
  await write(page, "after it");
  await expect.poll(notes).toEqual(["after it"]);
});
