// A page in real headless Chromium, served from loopback. It knows nothing of the benches.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/**
 * Serves folders, each under its prefix: `{ "/": folder, "/longhaul/": folder }`. The longest
 * prefix wins.
 */
async function serve(folders) {
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length);
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://x").pathname);
    const prefix = prefixes.find((prefix) => path.startsWith(prefix));
    const file = prefix && join(folders[prefix], path.slice(prefix.length) || "index.html");
    if (!file || !existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Opens a page and calls `use` with it and the browser's version; closes everything afterwards. */
export function withPage(options, use) {
  return withBrowser(options, async (browser, url) => {
    const page = await browser.newPage();
    const failed = new Promise((_, reject) => page.on("pageerror", reject));
    await page.goto(url);
    return Promise.race([use(page, browser.version()), failed]);
  });
}

/**
 * Starts a browser and calls `use` with it and the address of the folders; closes everything
 * afterwards.
 */
export async function withBrowser({ folders, executablePath }, use) {
  const { chromium } = await import("@playwright/test");
  const site = await serve(folders);
  const browser = await chromium.launch({
    ...(executablePath ? { executablePath } : {}),
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--js-flags=--expose-gc"],
  });
  try {
    return await use(browser, site.url);
  } finally {
    await browser.close();
    site.close();
  }
}

/** A clock of the CPU time of the page's main thread, ms. Other programs do not affect it. */
export async function threadClock(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "ThreadTime").value * 1_000;
  };
}
