import { defineConfig } from "@playwright/test";
import base from "./playwright.config.js";

/** Programs in real Chromium against the real hub: npm test -- --only programs */
export default defineConfig(base, {
  testDir: "programs",
  fullyParallel: true,
  timeout: 300_000,
  use: { trace: "off" },
});
