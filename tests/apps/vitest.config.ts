// Tests as users of the package write them, with Vitest: npm test -- --only apps

import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["**/*.vitest.ts"] } });
