// The demo's cards: a document that several pages change at once, also while the line is cut, and
// in conflict.

import { fileURLToPath } from "node:url";
import { expect, type Locator, type Page, test } from "@playwright/test";
import { Hub } from "./support/hub.js";

const site = fileURLToPath(new URL("../../www/dist", import.meta.url));
const head = "Anyone with this page open can change these.";

let hub: Hub;
let other: Page;

test.beforeEach(async ({ page, browser }) => {
  hub = await Hub.start(["--static", site]);
  // Each has its own browser, because tabs of one browser send for each other.
  other = await (await browser.newContext()).newPage();
  for (const each of [page, other]) {
    await each.goto(hub.url);
    await expect(each.getByTestId("status-state")).toHaveAttribute("data-state", "connected");
  }
});

test.afterEach(async () => {
  await other.context().close();
  await hub.kill();
});

async function add(page: Page, text: string): Promise<void> {
  await page.getByTestId("cards-input").fill(text);
  await page.getByTestId("cards-add").click();
}

async function reword(page: Page, from: string, to: string): Promise<void> {
  await page.getByRole("button", { name: from, exact: true }).click();
  await page.getByLabel("The card's text").and(page.locator(":visible")).fill(to);
  await page.keyboard.press("Enter");
}

async function moveTo(page: Page, text: string, column: string): Promise<void> {
  await page.getByRole("button", { name: `Move “${text}” to ${column}` }).click();
}

/** The texts of a column, from top to bottom. */
function texts(page: Page, column: "todo" | "doing" | "done"): Locator {
  return page.getByTestId(`cards-${column}`).locator(".task-text");
}

async function cut(page: Page): Promise<void> {
  await page.getByTestId("cut").click();
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "waiting");
}

async function goOn(page: Page): Promise<void> {
  await page.getByTestId("go-on").click();
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "connected");
}

/** How many entries the document has so far. */
async function seq(): Promise<number> {
  const response = await fetch(`${hub.url}/v1/topics/demo/cards`);
  return Number(response.headers.get("etag")?.match(/(\d+)"$/)?.[1]);
}

test("changes of two pages to different cards and parts of a card merge, also by keyboard", async ({
  page,
}) => {
  await Promise.all([add(page, "Pack"), add(other, "Weigh")]);
  for (const each of [page, other]) await expect(texts(each, "todo")).toHaveCount(2);
  await Promise.all([moveTo(page, "Pack", "Doing"), reword(other, "Weigh", "Weigh it twice")]);
  for (const each of [page, other]) {
    await expect(texts(each, "doing")).toHaveText(["Pack"]);
    await expect(texts(each, "todo")).toHaveText(["Weigh it twice"]);
  }
  const card = page.getByRole("button", { name: "Weigh it twice", exact: true });
  await card.focus();
  await page.keyboard.press("Shift+ArrowRight");
  await expect(card).toBeFocused();
  await expect(texts(other, "doing")).toHaveText(["Pack", "Weigh it twice"]);
  await page.keyboard.press("Shift+ArrowUp");
  await expect(texts(other, "doing")).toHaveText(["Weigh it twice", "Pack"]);
  await page.getByRole("button", { name: "Delete “Pack”" }).click();
  await expect(texts(other, "doing")).toHaveText(["Weigh it twice"]);
  for (const each of [page, other]) await expect(each.getByTestId("cards-head")).toHaveText(head);
});

test("changes made while the line is cut are pending, survive the cut and settle once", async ({ page }) => {
  await add(page, "Lift");
  await expect(texts(other, "todo")).toHaveText(["Lift"]);
  await expect(page.locator(".task.is-pending")).toHaveCount(0);
  const before = await seq();
  await cut(page);
  await add(page, "Carry");
  await moveTo(page, "Lift", "Doing");
  await moveTo(page, "Lift", "Done");
  await expect(page.getByTestId("cards-head")).toHaveText("3 changes on their way");
  await expect(page.locator(".task.is-pending")).toHaveCount(2);
  await expect(texts(page, "done")).toHaveText(["Lift"]);
  await add(other, "Meanwhile");
  await expect(texts(other, "todo")).toHaveText(["Lift", "Meanwhile"]);
  await goOn(page);
  for (const each of [page, other]) {
    await expect(texts(each, "done")).toHaveText(["Lift"]);
    await expect(texts(each, "todo")).toHaveCount(2);
    for (const text of ["Carry", "Meanwhile"])
      await expect(each.getByTestId("cards-todo")).toContainText(text);
  }
  await expect(page.getByTestId("cards-head")).toHaveText(head);
  await expect(page.locator(".task.is-pending")).toHaveCount(0);
  expect(await seq()).toBe(before + 4);
});

test("of two moves of one card the first wins, and the demo tells the other visitor", async ({ page }) => {
  await add(page, "Lift");
  await expect(texts(other, "todo")).toHaveText(["Lift"]);
  await cut(page);
  await moveTo(page, "Lift", "Doing");
  await moveTo(other, "Lift", "Doing");
  await moveTo(other, "Lift", "Done");
  await expect(texts(page, "doing")).toHaveText(["Lift"]);
  await expect(other.getByTestId("cards-head")).toHaveText(head);
  await goOn(page);
  const words = "Your move of “Lift” to Doing was not made: somebody else";
  await expect(page.getByTestId("cards-told")).toContainText(words);
  await expect(page.getByTestId("log")).toContainText(words);
  await expect(page.getByTestId("log")).toContainText("patch_failed");
  for (const each of [page, other]) {
    await expect(texts(each, "done")).toHaveText(["Lift"]);
    await expect(texts(each, "doing")).toHaveCount(0);
    await expect(each.getByTestId("cards-head")).toHaveText(head);
  }
  await expect(other.getByTestId("cards-told")).toBeHidden();
});

test("the demo says so when another visitor has deleted the edited card, and the card is gone", async ({
  page,
}) => {
  await add(page, "Lift");
  await expect(texts(other, "todo")).toHaveText(["Lift"]);
  await cut(page);
  await reword(page, "Lift", "Lift gently");
  await expect(texts(page, "todo")).toHaveText(["Lift gently"]);
  await other.getByRole("button", { name: "Delete “Lift”" }).click();
  await expect(other.getByTestId("cards-head")).toHaveText(head);
  await goOn(page);
  await expect(page.getByTestId("cards-told")).toContainText(
    "Your new text “Lift gently” was not made: somebody else",
  );
  await expect(texts(page, "todo")).toHaveCount(0);
  await expect(page.getByTestId("cards-head")).toHaveText(head);
});
