import { defineConfig } from "@playwright/test";

/** A browser that is killed over and over wants the machine for itself: these tests run alone. */
export default defineConfig({
  testDir: "kills",
  outputDir: "../test-results",
  retries: 0,
  workers: 1,
  forbidOnly: Boolean(process.env["CI"]),
  reporter: "list",
});
