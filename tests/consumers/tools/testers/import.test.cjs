const { connect } = require("longhaul");
const { createTestHub } = require("longhaul/testing");

test("the package can be required", () => {
  expect([typeof connect, typeof createTestHub]).toEqual(["function", "function"]);
});
