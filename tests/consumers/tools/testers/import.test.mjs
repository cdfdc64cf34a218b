import { connect } from "longhaul";
import { createTestHub } from "longhaul/testing";

test("the package can be imported", () => {
  expect([typeof connect, typeof createTestHub]).toEqual(["function", "function"]);
});
