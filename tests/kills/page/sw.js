importScripts("/longhaul/service-worker.js");
longhaul.installOutbox({ wasm: "/longhaul/longhaul_bg.wasm" });
