// For tools that turn an imported file into its address.
import { connect } from "longhaul";
import wasm from "longhaul/longhaul_bg.wasm";
import documentsWasm from "longhaul/longhaul_documents_bg.wasm";
import { report } from "./round-trip.js";

void report(connect, { wasm, documentsWasm });
