//! The part of the build that needs Rust: linking the client, making its JavaScript bindings, and a smaller wasm.
//!
//! `tools/scripts/build.mjs` calls it; the version of the generator is the workspace's own, so nothing is installed globally.

mod link;
mod names;
mod order;
mod traps;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

const USAGE: &str = "usage: cargo run -p xtask -- bindings [--names] WASM OUT_DIR
       cargo run -p xtask -- order WASM OUT
       the linker of the wasm builds, as rustc calls it
  bindings the wasm and its bindings: what was compiled for wasm32-unknown-unknown to longhaul_bg.js, longhaul.d.ts and longhaul_bg.wasm
  order    the last step: the same functions in an order that compresses better
  --names  keep the name section, for a size profiler such as twiggy";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // As rustc begins where it calls a linker.
    let is_linker = args.first().is_some_and(|arg| arg == "-flavor");
    let done = if is_linker {
        link::link(args)
    } else {
        run(args)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<(), Box<dyn Error>> {
    let (flags, words): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg.starts_with("--"));
    let keep_names = match flags.as_slice() {
        [] => false,
        [flag] if flag == "--names" => true,
        _ => return Err(USAGE.into()),
    };
    match words.as_slice() {
        [command, wasm, out] if command == "order" => {
            Ok(std::fs::write(out, order::ordered(&std::fs::read(wasm)?)?)?)
        }
        [command, wasm, out_dir] if command == "bindings" => bindings(wasm, out_dir, keep_names),
        _ => Err(USAGE.into()),
    }
}

fn bindings(wasm: &str, out_dir: &str, keep_names: bool) -> Result<(), Box<dyn Error>> {
    let mut output = Bindgen::new()
        .input_path(PathBuf::from(wasm))
        // The bindings without a loader: tools/scripts/build.mjs makes a function of them, and js/src/instance.ts instances.
        .bundler(true)?
        .typescript(true)
        // Every browser that has what rustc emits has it.
        .encode_into(EncodeInto::Always)
        .remove_name_section(!keep_names)
        .remove_producers_section(true)
        .generate_output()?;
    if keep_names {
        return Ok(output.emit(out_dir)?);
    }
    let module = output.wasm_mut();
    let imports = module.imports.iter().map(|import| import.name.as_str());
    let exports = module.exports.iter().map(|export| export.name.as_str());
    let names = names::shorter(imports.chain(exports));
    let short = |name: &mut String| {
        if let Some((_, short)) = names.iter().find(|(long, _)| long == name) {
            name.clone_from(short);
        }
    };
    let imports = module.imports.iter_mut().map(|import| &mut import.name);
    imports.for_each(short);
    let exports = module.exports.iter_mut().map(|export| &mut export.name);
    exports.for_each(short);
    output.emit(out_dir)?;
    let wasm = Path::new(wasm).file_stem().unwrap_or_default();
    let code = Path::new(out_dir).join(format!("{}_bg.js", wasm.display()));
    let renamed = names::renamed(&std::fs::read_to_string(&code)?, &names)?;
    Ok(std::fs::write(code, renamed)?)
}
