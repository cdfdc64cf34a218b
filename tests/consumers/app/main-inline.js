import { connect } from "longhaul/inline";
import { report } from "./round-trip.js";

void report(connect);
