const { connect } = require("longhaul");
const { createTestHub, createVirtualClock } = require("longhaul/testing");
const { noteTest } = require("./note.cjs");

test("a note", noteTest({ connect, createTestHub, createVirtualClock, expect }));
