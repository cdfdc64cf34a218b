//! The parts of the wasm build that are written in Rust. `tools/scripts/lib/wasm.mjs` runs them.
//!
//! `bind` generates the JavaScript bindings of a compiled wasm, and `order` sorts its functions.
//! `bin/wasm-linker` is a program of its own, because rustc calls it.

mod names;
mod order;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

const USAGE: &str = "usage: cargo run -p wasm-build -- COMMAND

  bind [--short-names | --symbols] WASM OUT_DIR
      generates the bindings of a wasm that was compiled for wasm32-unknown-unknown:
      FILE_bg.wasm, FILE_bg.js and FILE.d.ts
      --short-names  replaces names that contain a hash, and lists them in FILE_names.json
      --symbols      keeps the names of functions, for a size profiler such as twiggy
  order WASM OUT
      writes the wasm with similar functions side by side, because it compresses better";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-build: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["bind", wasm, out_dir] => bind(wasm, out_dir, Names::Generated),
        ["bind", "--short-names", wasm, out_dir] => bind(wasm, out_dir, Names::Short),
        ["bind", "--symbols", wasm, out_dir] => bind(wasm, out_dir, Names::Symbols),
        ["order", wasm, out] => Ok(std::fs::write(out, order::ordered(&std::fs::read(wasm)?)?)?),
        _ => Err(USAGE.into()),
    }
}

/// How imports, exports and functions are named.
enum Names {
    /// As wasm-bindgen names them. Functions have no names.
    Generated,
    /// The same, but names that contain a hash are replaced.
    Short,
    /// As wasm-bindgen names them. Functions have their names.
    Symbols,
}

fn bind(wasm: &str, out_dir: &str, naming: Names) -> Result<(), Box<dyn Error>> {
    let mut output = Bindgen::new()
        .input_path(PathBuf::from(wasm))
        // Bindings without a loader: tools/scripts/lib/bindings.mjs makes a function of them, and
        // js/src/instance.ts calls it for each instance.
        .bundler(true)?
        .typescript(true)
        // Every browser that runs this wasm has `encodeInto`.
        .encode_into(EncodeInto::Always)
        .remove_name_section(!matches!(naming, Names::Symbols))
        .remove_producers_section(true)
        .generate_output()?;
    if matches!(naming, Names::Short) {
        let module = output.wasm_mut();
        let imports = module.imports.iter_mut().map(|import| &mut import.name);
        let imports = names::shorten(imports, 0);
        let exports = module.exports.iter_mut().map(|export| &mut export.name);
        let exports = names::shorten(exports, imports.len());
        let stem = Path::new(wasm).file_stem().unwrap_or_default();
        let list = Path::new(out_dir).join(format!("{}_names.json", stem.display()));
        std::fs::create_dir_all(out_dir)?;
        std::fs::write(list, names::to_json(&imports, &exports))?;
    }
    Ok(output.emit(out_dir)?)
}
