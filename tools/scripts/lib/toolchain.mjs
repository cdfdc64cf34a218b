// Checks that the repository claims only the Rust that its tests run on.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root, Stop } from "./run.mjs";

const skipped = new Set(["node_modules", "target", ".git"]);

function* manifests(folder = "") {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === "Cargo.toml") yield path;
    else if (entry.isDirectory() && !skipped.has(entry.name)) yield* manifests(path);
  }
}

/** The faults of a rust-toolchain.toml and of manifests. `cargo` has their texts by path. */
export function toolchainFaults(toolchain, cargo) {
  const channel = /^channel = "(.*)"$/m.exec(toolchain)?.[1];
  const exact = /^(\d+\.\d+)\.\d+$/.exec(channel ?? "");
  if (!exact) return [`rust-toolchain.toml: the channel is ${channel}, not an exact version such as 1.95.0`];
  return [...cargo].flatMap(([path, text]) => {
    const claim = /^rust-version(?: = "(.*)"|(\.workspace) = true)$/m.exec(text);
    if (claim?.[2] || claim?.[1] === exact[1]) return [];
    const said = claim ? `claims Rust ${claim[1]}` : "has no rust-version";
    return [`${path} ${said}, and rust-toolchain.toml pins ${channel}: CI tests no other version`];
  });
}

/** Stops if rust-toolchain.toml names no exact version, or a Cargo.toml claims another one. */
export function checkToolchain() {
  const read = (path) => readFileSync(join(root, path), "utf8");
  const cargo = new Map([...manifests()].map((path) => [path, read(path)]));
  const faults = toolchainFaults(read("rust-toolchain.toml"), cargo);
  if (faults.length > 0) throw new Stop(faults.join("\n  "));
}
