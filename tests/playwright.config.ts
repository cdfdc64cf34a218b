import { defineConfig } from "@playwright/test";

/** The browser that `npm test` found; if empty, the one that Playwright downloaded. */
const executablePath = process.env["LONGHAUL_CHROMIUM"] || process.env["CHROME_PATH"];

export default defineConfig({
  testDir: "e2e",
  outputDir: "../test-results",
  // A test that passes only at the second try has found a fault.
  retries: 0,
  workers: 2,
  // Each test starts its own hub on a free port, but the burst and timing tests need a core each.
  fullyParallel: false,
  forbidOnly: Boolean(process.env["CI"]),
  timeout: 60_000,
  reporter: "list",
  use: {
    browserName: "chromium",
    trace: "retain-on-failure",
    launchOptions: {
      ...(executablePath ? { executablePath } : {}),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
