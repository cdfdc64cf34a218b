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
/** The host's messages, at ten a second: when to cut the line, and when the charts are full. */
const cutAtSeq = 340;
const fullAtSeq = 620;
/** The attempt to wait for with the line cut, so that the outage is long enough to be seen. */
const attempts = 4;
/** Longer than the messages take on a slow machine. */
const timeout = 180_000;
/** Chosen: a picture in the README that loads at once. */
const bytesMax = 400_000;

const before = [
  ["Ada", "Elevator test: doors closed on floor 3, opened on 5. Nothing missing."],
  ["Grace", "Lid closed, train taken, lid opened. Same board, same order."],
];
const whileCut = ["Edsger", "You won't see this before your line is back."];
const own = "Written with the line cut. It went out by itself, once.";

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
    await reach(first, "host-seq", cutAtSeq);
    for (const page of shown) await page.getByTestId("cut").click();
    await write(writer, ...whileCut);
    await write(first, "Barbara", own);
    for (const page of shown) await reach(page, "status-attempt", attempts);
    for (const page of shown) {
      await page.getByTestId("go-on").click();
      await page.getByTestId("retry").click();
      await seen(page, own);
    }
    await writer.close();
    for (const [index, { file }] of pictures.entries()) {
      const page = shown[index];
      await reach(page, "host-seq", fullAtSeq);
      // Nothing has the focus or the pointer, and the page stands where it opens.
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
