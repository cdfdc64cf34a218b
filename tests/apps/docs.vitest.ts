import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test.each(["notes.vitest.ts", "notes.jest.mjs"])("docs/testing-your-app.md shows %s as it is", (name) => {
  expect(read("../../docs/testing-your-app.md")).toContain(`\n${read(name)}\`\`\`\n`);
});
