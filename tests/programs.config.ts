import { defineConfig } from "@playwright/test";
import base from "./playwright.config.js";

/** Programs in real Chromium against the real hub: npm test -- --only programs-chromium */
export default defineConfig(base, {
  testDir: "programs",
  fullyParallel: true,
  timeout: 300_000,
  use: {
    trace: "off",
    launchOptions: {
      ...base.use?.launchOptions,
      // Tabs of one browser share a process, which takes a tenth of the time.
      args: [...(base.use?.launchOptions?.args ?? []), "--process-per-site"],
    },
  },
});
