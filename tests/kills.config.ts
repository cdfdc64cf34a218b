import { defineConfig } from "@playwright/test";

/**
 * These tests run alone, because a browser that is killed over and over needs the whole machine.
 */
export default defineConfig({
  testDir: "kills",
  outputDir: "../test-results",
  retries: 0,
  workers: 1,
  forbidOnly: Boolean(process.env["CI"]),
  reporter: "list",
});
