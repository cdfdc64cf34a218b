import { connect } from "longhaul";
import { createTestHub, createVirtualClock } from "longhaul/testing";
import { noteTest } from "./note.mjs";

test("a note", noteTest({ connect, createTestHub, createVirtualClock, expect }));
