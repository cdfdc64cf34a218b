// The demo as a visitor meets it: served by the hub, live, shared, and cut.

import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { Hub } from "./support/hub.js";

const site = fileURLToPath(new URL("../../www/dist", import.meta.url));

let hub: Hub;

test.beforeAll(async () => {
  hub = await Hub.start(["--demo", "--static", site]);
});

test.afterAll(async () => {
  await hub.kill();
});

async function number(page: Page, id: string): Promise<number> {
  return Number(await page.getByTestId(id).textContent());
}

async function visit(page: Page): Promise<string[]> {
  const complaints: string[] = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(hub.url);
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "connected");
  return complaints;
}

test("the host's figures come in live, under the hub's content security policy", async ({ page }) => {
  const complaints = await visit(page);
  await expect.poll(() => number(page, "host-seq")).toBeGreaterThan(0);
  const before = await number(page, "host-seq");
  await expect.poll(() => number(page, "host-seq")).toBeGreaterThan(before + 10);
  await expect(page.getByTestId("status-transport")).toHaveText("WebSocket");
  await expect(page.getByTestId("cpu-now")).toContainText(/\d/);
  expect(complaints).toEqual([]);
});

test("what one visitor writes on the board, the other one sees", async ({ page, context }) => {
  const other = await context.newPage();
  await visit(page);
  await visit(other);
  await page.getByTestId("board-name").fill("Ada");
  await page.getByTestId("board-input").fill("<b>not bold</b>");
  await page.getByTestId("board-send").click();
  await expect(other.getByTestId("board-list")).toContainText("<b>not bold</b>");
  await expect(page.locator("li.note.is-own:not(.is-sending)")).toContainText("<b>not bold</b>");
  expect(await number(other, "board-seq")).toBeGreaterThan(0);
});

test("a cut line is seen, waited out, and nothing is missing afterwards", async ({ page, context }) => {
  const other = await context.newPage();
  await visit(page);
  await visit(other);
  await page.getByTestId("cut").click();
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "waiting");
  await expect(page.getByTestId("status-countdown")).toContainText(/\d/);
  await other.getByTestId("board-input").fill("while you were away");
  await other.getByTestId("board-send").click();
  await expect(other.getByTestId("board-list")).toContainText("while you were away");
  await page.getByTestId("board-input").fill("written with the line cut");
  await page.getByTestId("board-send").click();
  await expect(page.locator("li.note.is-sending")).toContainText("written with the line cut");
  const attempt = await number(page, "status-attempt");
  await page.getByTestId("retry").click();
  await expect.poll(() => number(page, "status-attempt")).not.toBe(attempt);
  await page.getByTestId("go-on").click();
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "connected");
  for (const text of ["while you were away", "written with the line cut"]) {
    await expect(page.getByTestId("board-list")).toContainText(text);
    await expect(other.getByTestId("board-list")).toContainText(text);
  }
  await expect(page.getByTestId("metric-gaps")).toHaveText("0");
});
