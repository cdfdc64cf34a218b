//! The part of the build that needs Rust: turning the compiled client into JavaScript bindings and a smaller wasm.
//!
//! `scripts/build.mjs` calls it; the version of the generator is the workspace's own, so nothing is installed globally.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "usage: cargo run -p xtask -- bindings [--names] WASM OUT_DIR
  WASM     the client compiled for wasm32-unknown-unknown
  OUT_DIR  where longhaul_bg.js, longhaul.d.ts and longhaul_bg.wasm go
  --names  keep the name section, for a size profiler such as twiggy";

fn main() -> ExitCode {
    match bindings(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bindings(args: Vec<String>) -> Result<(), Box<dyn Error>> {
    let (flags, words): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg.starts_with("--"));
    let keep_names = match flags.as_slice() {
        [] => false,
        [flag] if flag == "--names" => true,
        _ => return Err(USAGE.into()),
    };
    let [command, wasm, out_dir] = words.as_slice() else {
        return Err(USAGE.into());
    };
    if command != "bindings" {
        return Err(USAGE.into());
    }
    Bindgen::new()
        .input_path(PathBuf::from(wasm))
        // The bindings without a loader: scripts/build.mjs makes a function of them, and js/src/instance.ts instances.
        .bundler(true)?
        .typescript(true)
        .remove_name_section(!keep_names)
        .remove_producers_section(true)
        .generate(out_dir)?;
    Ok(())
}
