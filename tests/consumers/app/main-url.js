import { connect } from "longhaul";
import wasm from "longhaul/longhaul_bg.wasm?url";
import documentsWasm from "longhaul/longhaul_documents_bg.wasm?url";
import { report } from "./round-trip.js";

void report(connect, { wasm, documentsWasm });
