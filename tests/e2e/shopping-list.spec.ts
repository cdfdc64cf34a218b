// The shopping list of examples/: an app by a newcomer, used as its users do.

import { fileURLToPath } from "node:url";
import type { Browser, Page } from "@playwright/test";
import { Hub, hubEntries } from "./support/hub.js";
import { test as base, expect } from "./support/network.js";

const files = fileURLToPath(new URL("../../examples/shopping-list/dist", import.meta.url));

/** The app's own server, which stays while the line to the hub is cut. */
const test = base.extend<object, { app: Hub }>({
  app: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures from the pattern.
    async ({}, use) => {
      const app = await Hub.start(["--static", files]);
      await use(app);
      await app.kill();
    },
    { scope: "worker" },
  ],
});

/** Opens the app in a new browser. */
async function person(browser: Browser, address: string, name: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(address);
  await page.getByRole("textbox", { name: "Your name" }).fill(name);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText(`Signed in as ${name}`)).toBeVisible();
  return page;
}

async function add(page: Page, name: string): Promise<void> {
  await page.getByRole("textbox", { name: "New item" }).fill(name);
  await page.getByRole("button", { name: "Add", exact: true }).click();
}

const items = (page: Page) => page.getByRole("list", { name: "Items" }).locator("label");
const activity = (page: Page) =>
  page.getByRole("list", { name: "Recent activity" }).locator("li > span, li.problem");
const status = (page: Page, name: string) => page.getByRole("status", { name });
const toggle = (page: Page, name: string) =>
  page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name }).click();

async function settles(page: Page): Promise<void> {
  await expect(status(page, "Outbox")).toHaveText("Everything is sent");
  await expect(status(page, "Saving")).toBeEmpty();
}

test("two people edit one list, and each sees the other's changes", async ({ app, hub, browser }) => {
  const address = `${app.url}/?hub=${hub.url}`;
  const ann = await person(browser, address, "Ann");
  const bob = await person(browser, address, "Bob");
  await add(ann, "Milk");
  await add(ann, "Bread");
  await expect(items(bob)).toHaveText(["Milk", "Bread"]);
  await bob.getByRole("checkbox", { name: "Milk" }).click();
  await expect(ann.getByRole("checkbox", { name: "Milk" })).toBeChecked();
  await ann.getByRole("button", { name: "Remove Bread" }).click();
  await expect(items(bob)).toHaveText(["Milk"]);
  const all = ["Ann removed Bread", "Bob ticked Milk", "Ann added Bread", "Ann added Milk"];
  for (const page of [ann, bob]) {
    await expect(activity(page)).toHaveText(all);
    await settles(page);
  }
});

test("changes without a hub show at once, survive a reload, and arrive", async ({
  app,
  browser,
  line,
  hub,
}) => {
  const ann = await person(browser, `${app.url}/?hub=${line.url}`, "Ann");
  const bob = await person(browser, `${app.url}/?hub=${hub.url}`, "Bob");
  await add(ann, "Milk");
  await expect(items(bob)).toHaveText(["Milk"]);
  await settles(ann);
  await line.setFaults({ accept: "reset" });
  await line.cut();
  await add(ann, "Eggs");
  await ann.getByRole("checkbox", { name: "Milk" }).click();
  for (let visit = 0; visit < 2; visit++) {
    await expect(items(ann)).toHaveText(["Milk", "Eggs"]);
    await expect(ann.getByRole("checkbox", { name: "Milk" })).toBeChecked();
    await expect(status(ann, "Outbox")).toHaveText("4 waiting to be sent");
    await expect(status(ann, "Saving")).toHaveText("Saving…");
    if (visit === 0) await ann.reload();
  }
  await line.setFaults();
  // The client may be back by itself, and then the button is gone.
  const tryNow = ann.getByRole("button", { name: "Try now" });
  await tryNow.click({ timeout: 2_000 }).catch(() => {});
  await expect(items(bob)).toHaveText(["Milk", "Eggs"]);
  await expect(activity(bob)).toHaveText(["Ann ticked Milk", "Ann added Eggs", "Ann added Milk"]);
  await settles(ann);
});

test("f01 f12 panels that come and go in any order show everything once", async ({ app, hub, browser }) => {
  const address = `${app.url}/?hub=${hub.url}`;
  const ann = await person(browser, address, "Ann");
  const bob = await person(browser, address, "Bob");
  const names: string[] = [];
  for (let n = 1; n <= 12; n++) {
    names.push(`Thing ${n}`);
    await add(ann, `Thing ${n}`);
    for (const panel of n % 2 ? ["List", "Activity"] : ["Activity", "List"]) {
      await toggle(bob, panel);
      await toggle(bob, panel);
    }
    if (n % 4 === 0) await bob.reload();
  }
  await expect(items(bob)).toHaveText(names);
  await expect(activity(bob)).toHaveText(names.map((name) => `Ann added ${name}`).reverse());
});

test("f11 a user who signs out leaves nothing to send, and another one can sign in", async ({
  app,
  hub,
  browser,
  line,
}) => {
  const ann = await person(browser, `${app.url}/?hub=${line.url}`, "Ann");
  await add(ann, "Milk");
  await settles(ann);
  await line.setFaults({ accept: "reset" });
  await line.cut();
  await add(ann, "Secret");
  await expect(status(ann, "Outbox")).toHaveText("2 waiting to be sent");
  ann.on("dialog", (dialog) => dialog.accept());
  await ann.getByRole("button", { name: "Sign out" }).click();
  await ann.getByRole("textbox", { name: "Your name" }).fill("Bob");
  await ann.getByRole("button", { name: "Sign in" }).click();
  await line.setFaults();
  await expect(items(ann)).toHaveText(["Milk"]);
  await add(ann, "Tea");
  await expect(items(ann)).toHaveText(["Milk", "Tea"]);
  await settles(ann);
  const said = (await hubEntries<{ what: string }>(hub, "lists/home/activity")).map(({ data }) => data.what);
  expect(said).toEqual(["added Milk", "added Tea"]);
});
