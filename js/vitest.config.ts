// Unit tests of js/src and js/testing, beside what they test: npm test -- --only unit

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "testing/**/*.test.ts"],
    environment: "node",
    restoreMocks: true,
    unstubGlobals: true,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts", "testing/**/*.ts"],
      // What is generated, and what is types alone.
      exclude: ["**/wasm/**", "**/*.test.ts", "**/*.d.ts"],
      reporter: ["text"],
      reportsDirectory: "../test-results/coverage",
    },
  },
});
