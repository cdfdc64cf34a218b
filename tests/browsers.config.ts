import { defineConfig } from "@playwright/test";
import type { Engine } from "./browsers/support/driver.js";

/** Playwright only runs these tests; WebDriver drives the browsers, which Playwright can't. */
export default defineConfig<object, { engine: Engine }>({
  testDir: "browsers",
  outputDir: "../test-results",
  retries: 0,
  workers: 2,
  forbidOnly: Boolean(process.env["CI"]),
  timeout: 120_000,
  reporter: "list",
  projects: [
    { name: "firefox", use: { engine: "firefox" } },
    { name: "webkit", use: { engine: "webkit" } },
  ],
});
