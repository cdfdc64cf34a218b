// npm run screenshot: makes docs/demo.png and docs/demo-phone.png with a real browser and a real
// hub.

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
/** The story begins at this seq of the host's messages. Chosen: the charts are nearly full then. */
const beginAtSeq = 300;
/** The length of an act, ms. Chosen: its span in the chart has room for its label. */
const actMs = 6_000;
/** The limit of every wait, ms. Chosen: a slow machine needs less for all messages. */
const timeout = 180_000;
/** The limit of a picture's size. Chosen: it appears in the README at once. */
const bytesMax = 400_000;

const before = [
  ["Ada", "Elevator test: doors closed on floor 3, opened on 5. Nothing missing."],
  ["Grace", "Lid closed, train taken, lid opened. Same board, same order."],
];
const whileBlocked = ["Edsger", "This network lets no WebSocket through. Did anyone notice?"];
const own = "Not me: it went out over Long poll by itself, once.";

/** Adds the cards of the picture and moves some of them. */
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

/**
 * Blocks one transport after the other, then allows them again. They are allowed before the
 * client's next probe for a better transport.
 */
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

/** Takes a picture without focus, without pointer, and scrolled to the top. */
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
    await step("take the pictures", () => takeAll(url), "about a minute, until the charts are full");
  } finally {
    hub.child.kill("SIGTERM");
    await hub.ended;
  }
});
