import { expect, test, vi } from "vitest";

test("the package offers connect and its error, and importing it asks for nothing", async () => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  const longhaul = await import("./index.js");
  expect(Object.keys(longhaul).sort()).toEqual(["LonghaulError", "connect"]);
  expect(fetched).not.toHaveBeenCalled();
});
