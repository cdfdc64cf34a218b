import { expect, test, vi } from "vitest";

test("the package exports connect and its error, and an import does nothing", async () => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  const longhaul = await import("./index.js");
  expect(Object.keys(longhaul).sort()).toEqual(["LonghaulError", "connect"]);
  expect(fetched).not.toHaveBeenCalled();
});
