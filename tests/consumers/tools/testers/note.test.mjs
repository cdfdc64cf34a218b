import { connect } from "longhaul";
import { createTestHub, createVirtualClock } from "longhaul/testing";
import note from "./note.cjs";

test("a note", note.noteTest({ connect, createTestHub, createVirtualClock, expect }));
