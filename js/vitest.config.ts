// Unit tests of js/src, beside what they test: npm test -- --only unit

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    restoreMocks: true,
    unstubGlobals: true,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // What is generated, and what is types alone.
      exclude: ["src/wasm/**", "src/**/*.test.ts", "src/**/*.d.ts"],
      reporter: ["text"],
      reportsDirectory: "../test-results/coverage",
    },
  },
});
