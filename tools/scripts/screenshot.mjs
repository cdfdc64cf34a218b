// npm run screenshot: docs/demo.png and docs/demo-phone.png, from a real browser on a real hub.

import { statSync } from "node:fs";
import { join } from "node:path";
import { build, hubPath } from "./build.mjs";
import { startHub } from "./lib/hub.mjs";
import { main, root, Stop, step } from "./lib/run.mjs";
import { findBrowser, setup } from "./setup.mjs";

const pictures = [
  {
    file: "docs/demo.png",
    colorScheme: "dark",
    viewport: { width: 1440, height: 900 },
    deviceScaleFactor: 1.5,
  },
  {
    file: "docs/demo-phone.png",
    colorScheme: "light",
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
  },
];
/** The host's messages, at ten a second: when the charts are nearly full and the story begins. */
const beginAtSeq = 300;
/** How long each act lasts, so that its span is wide enough for its label. */
const actMs = 6_000;
/** Longer than the messages take on a slow machine. */
const timeout = 180_000;
/** Chosen: a picture in the README that loads at once. */
const bytesMax = 400_000;

const before = [
  ["Ada", "Elevator test: doors closed on floor 3, opened on 5. Nothing missing."],
  ["Grace", "Lid closed, train taken, lid opened. Same board, same order."],
];
const whileBlocked = ["Edsger", "This network lets no WebSocket through. Did anyone notice?"];
const own = "Not me: it went out over Long poll by itself, once.";

/** Cards for the picture, some of them further than others. */
async function plan(page) {
  for (const text of ["Pack for the train", "Call the lift company", "Sail without a signal"]) {
    await page.getByTestId("cards-input").fill(text);
    await page.getByTestId("cards-add").click();
  }
  for (const [text, columns] of [
    ["Call the lift company", ["Doing"]],
    ["Sail without a signal", ["Doing", "Done"]],
  ]) {
    for (const column of columns)
      await page.getByRole("button", { name: `Move “${text}” to ${column}` }).click();
  }
}

async function write(page, name, text) {
  if (name) await page.getByTestId("board-name").fill(name);
  await page.getByTestId("board-input").fill(text);
  await page.getByTestId("board-send").click();
}

async function seen(page, text) {
  await page.locator(".note:not(.is-sending)").getByText(text).waitFor();
}

async function reach(page, id, least) {
  await page.waitForFunction(
    ([id, least]) => Number(document.querySelector(`[data-testid=${id}]`)?.textContent) >= least,
    [id, least],
    { timeout },
  );
}

async function isOn(page, transport) {
  await page.waitForFunction(
    (transport) =>
      document.getElementById("connection")?.dataset.state === "connected" &&
      document.querySelector("[data-testid=status-transport]")?.textContent === transport,
    transport,
    { timeout },
  );
}

/** Down the ways and up again. What is blocked is let through soon enough for the next look for a better one. */
async function move(page, writer) {
  if (writer) await plan(page);
  await page.getByTestId("let-websocket").click();
  await isOn(page, "EventSource");
  await page.waitForTimeout(actMs);
  await page.getByTestId("let-eventsource").click();
  await isOn(page, "Long poll");
  if (writer) await write(writer, ...whileBlocked);
  await seen(page, whileBlocked[1]);
  if (writer) await write(page, "Barbara", own);
  await seen(page, own);
  for (const transport of ["eventsource", "websocket"]) await page.getByTestId(`let-${transport}`).click();
  await isOn(page, "WebSocket");
  await page.waitForTimeout(actMs);
}

/** Nothing has the focus or the pointer, and the page stands where it opens. */
async function take(page, file) {
  await page.mouse.move(0, 0);
  await page.evaluate(() => {
    document.activeElement?.blur();
    scrollTo(0, 0);
  });
  await page.screenshot({ path: join(root, file) });
  const { size } = statSync(join(root, file));
  console.log(`  ${file} (${Math.round(size / 1000)} kB)`);
  if (size > bytesMax) throw new Stop(`${file} is ${size} bytes, limit ${bytesMax}`);
}

async function takeAll(url) {
  const { chromium } = await import("@playwright/test");
  const executablePath = process.env.LONGHAUL_CHROMIUM || (await findBrowser());
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const open = async (options) => {
      const page = await browser.newPage(options);
      page.setDefaultTimeout(timeout);
      await page.goto(url);
      return page;
    };
    const shown = await Promise.all(pictures.map(open));
    const [first] = shown;
    const writer = await open();
    for (const [name, text] of before) {
      await write(writer, name, text);
      await seen(first, text);
    }
    await reach(first, "host-seq", beginAtSeq);
    await Promise.all(
      shown.map(async (page, index) => {
        await move(page, page === first ? writer : undefined);
        await take(page, pictures[index].file);
      }),
    );
  } finally {
    await browser.close();
  }
}

await main(async () => {
  await setup();
  await build(["js", "www", "hub"]);
  const hub = startHub(hubPath("release"), "127.0.0.1:0");
  try {
    const url = await hub.ready;
    await step("take the pictures", () => takeAll(url), "about a minute: the charts have to fill");
  } finally {
    hub.child.kill("SIGTERM");
    await hub.ended;
  }
});
