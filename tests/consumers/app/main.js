import { connect } from "longhaul";
import { report } from "./round-trip.js";

void report(connect);
