// The demo as a visitor sees it: the hub serves it, it is live and shared, and its line can be cut.

import { fileURLToPath } from "node:url";
import { expect, type Locator, type Page, test } from "@playwright/test";
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

test("the host's figures arrive live, under the hub's content security policy", async ({ page }) => {
  const complaints = await visit(page);
  await expect.poll(() => number(page, "host-seq")).toBeGreaterThan(0);
  const before = await number(page, "host-seq");
  await expect.poll(() => number(page, "host-seq")).toBeGreaterThan(before + 10);
  await expect(page.getByTestId("status-transport")).toHaveText("WebSocket");
  await expect(page.getByTestId("cpu-now")).toContainText(/\d/);
  expect(complaints).toEqual([]);
});

test("one visitor sees what another one writes on the board", async ({ page, context }) => {
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

test("the page shows a cut line and waits it out, and nothing is missing afterwards", async ({
  page,
  context,
}) => {
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

/**
 * Changes of transport take a few attempts with waits; the way back takes a probe, every 20 s at
 * most.
 */
const moveMs = 30_000;

async function isOn(page: Page, transport: string): Promise<void> {
  await expect
    .poll(
      async () => {
        const state = await page.getByTestId("status-state").getAttribute("data-state");
        return `${state} over ${await page.getByTestId("status-transport").textContent()}`;
      },
      { timeout: moveMs },
    )
    .toBe(`connected over ${transport}`);
}

function spans(page: Page, transport: string): Locator {
  return page.locator(`#timeline-spans [data-state="connected"][data-transport="${transport}"]`);
}

async function write(page: Page, text: string): Promise<void> {
  await page.getByTestId("board-input").fill(text);
  await page.getByTestId("board-send").click();
}

/**
 * How many messages of both topics the page lacks, up to its position: those before its time and
 * those that it missed. Reads at the moment when the counters are refreshed, so all are of the same
 * moment.
 */
async function notReceived(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const cell = (id: string) => document.querySelector(`[data-testid=${id}]`) as Element;
    const read = (id: string) => Number(cell(id).textContent?.replaceAll(",", ""));
    const received = cell("metric-messages-received");
    await new Promise((resolve) => new MutationObserver(resolve).observe(received, { childList: true }));
    return read("host-seq") + read("board-seq") - read("metric-messages-received");
  });
}

test("a15: the client leaves blocked transports for the next one, and returns to the best one when it works", async ({
  page,
  context,
}) => {
  test.setTimeout(180_000);
  const other = await context.newPage();
  await visit(page);
  await visit(other);
  await write(other, "before");
  await expect(page.getByTestId("board-list")).toContainText("before");
  const seqBefore = await number(page, "board-seq");
  const notReceivedBefore = await notReceived(page);
  const texts: string[] = [];
  const writeBoth = async (where: string): Promise<void> => {
    for (const [writer, who] of [
      [other, "them"],
      [page, "us"],
    ] as const) {
      const text = `${who} ${where} ${texts.length}`;
      texts.push(text);
      await write(writer, text);
    }
  };

  await page.getByTestId("let-websocket").click();
  await writeBoth("with WebSocket blocked");
  await isOn(page, "EventSource");
  await expect(page.getByTestId("log")).toContainText(
    "Moved from WebSocket to EventSource: the connection was lost",
  );
  await expect(spans(page, "eventsource")).toHaveCount(1);
  await page.getByTestId("let-eventsource").click();
  await writeBoth("with two blocked");
  await isOn(page, "Long poll");
  await writeBoth("over Long poll");
  await expect(page.locator("li.note.is-sending")).toHaveCount(0);
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "connected");
  for (const transport of ["eventsource", "websocket"]) {
    const button = page.getByTestId(`let-${transport}`);
    await expect(button).toHaveAttribute("aria-pressed", "false");
    await button.focus();
    await page.keyboard.press("Space");
    await expect(button).toHaveAttribute("aria-pressed", "true");
  }
  await isOn(page, "WebSocket");
  await writeBoth("back");

  await expect(page.getByTestId("log")).toContainText(
    /Back on WebSocket after .* without a connection and .* Long poll, nothing missed\./,
  );
  for (const transport of ["websocket", "eventsource", "longpoll"]) {
    expect(await spans(page, transport).count(), transport).toBeGreaterThan(0);
  }
  await expect(page.locator("li.note.is-sending")).toHaveCount(0);
  await expect.poll(() => number(page, "board-seq")).toBe(seqBefore + texts.length);
  const shown = await page.locator("li.note:not(.is-sending)").evaluateAll((notes) =>
    notes.map((note) => ({
      seq: Number((note as HTMLElement).dataset["seq"]),
      text: note.querySelector(".note-text")?.textContent ?? "",
    })),
  );
  expect(shown.map(({ seq }) => seq)).toEqual(shown.map((_, i) => i + 1));
  for (const text of texts) expect(shown.filter((note) => note.text === text)).toHaveLength(1);
  await expect(page.getByTestId("metric-gaps")).toHaveText("0");
  expect(await notReceived(page), "a seq that the page has passed without its message").toBe(
    notReceivedBefore,
  );
});

test("Why? explains the client's state in words, and lists its attempts", async ({ page }) => {
  test.setTimeout(90_000);
  await visit(page);
  await page.getByTestId("why").click();
  await expect(page.getByTestId("why-advice")).toHaveText("All is well: nothing to do.");
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("why-dialog")).toBeHidden();
  await page.getByTestId("let-websocket").click();
  await isOn(page, "EventSource");
  await page.getByTestId("why").click();
  await expect(page.getByRole("dialog", { name: "Why EventSource?" })).toBeVisible();
  await expect(page.getByTestId("why-advice")).toContainText("Connected over eventsource");
  const newest = page.getByTestId("why-tried").locator("tr");
  await expect(newest.filter({ hasText: "EventSource" }).first()).toContainText("worked");
  await expect(newest.filter({ hasText: "WebSocket" }).first()).toContainText("blocked");
  await page.getByTestId("why-close").click();
  await expect(page.getByTestId("why-dialog")).toBeHidden();
});

test("the page shows that the hub accepts no token, and does not call it a lost connection", async ({
  page,
}) => {
  await page.routeWebSocket(/v1\/connect/, (socket) => socket.close());
  await page.route(/v1\/session/, (route) => route.fulfill({ status: 401 }));
  await page.goto(hub.url);
  await expect(page.getByTestId("status-state")).toHaveAttribute("data-state", "unauthorized");
  await expect(page.getByTestId("status-state")).toHaveText("Not signed in");
  await expect(page.getByTestId("status-sentence")).toContainText("The hub accepts no token");
  await page.getByTestId("why").click();
  await expect(page.getByTestId("why-advice")).toContainText("Sign in again");
});

test("after twenty failed attempts the page says so, and that the client keeps trying", async ({ page }) => {
  test.setTimeout(120_000);
  await page.clock.install();
  await visit(page);
  await page.getByTestId("cut").click();
  await expect
    .poll(
      async () => {
        await page.clock.runFor(6_000);
        return page.locator("#connection").getAttribute("data-exhausted");
      },
      { timeout: 60_000 },
    )
    .toBe("true");
  await expect(page.getByTestId("status-state")).toHaveText("Still trying");
  await expect(page.getByTestId("status-sentence")).toContainText("attempts have failed");
  await page.getByTestId("go-on").click();
  await page.getByTestId("retry").click();
  await expect
    .poll(async () => {
      await page.clock.runFor(200);
      return page.getByTestId("status-state").textContent();
    })
    .toBe("Connected");
});

for (const width of [1440, 1300, 390]) {
  test(`at ${width} px nothing leaves the page or its card, and the first row stays one row`, async ({
    page,
  }) => {
    await page.setViewportSize({ width, height: 844 });
    await visit(page);
    await expect(page.locator(".load .figure").first()).toContainText(/\d/);
    const leaving = await page.evaluate(() =>
      [...document.querySelectorAll(".figure, .figure *")]
        .filter((figure) => {
          const card = figure.closest(".network, .load, .memory, .cpu");
          return card && figure.getBoundingClientRect().right > card.getBoundingClientRect().right;
        })
        .map((figure) => figure.textContent),
    );
    expect(leaving).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    const middles = await page.evaluate(() =>
      ["status-state", "why", "theme"].map((id) => {
        const box = document.querySelector(`[data-testid=${id}]`)?.getBoundingClientRect();
        return box ? Math.round((box.top + box.bottom) / 2) : Number.NaN;
      }),
    );
    expect(Math.max(...middles) - Math.min(...middles), `middles at ${middles} px`).toBeLessThanOrEqual(4);
  });
}
