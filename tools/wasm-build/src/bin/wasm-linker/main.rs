//! The linker of the client's wasm: it replaces panics by traps (traps.rs), then calls rust-lld.
//!
//! It fails if it replaced nothing, because then rustc or LLVM writes something else than it reads.
//! It can go when `panic = "immediate-abort"` works on stable Rust, with a standard library built
//! for it: <https://doc.rust-lang.org/cargo/reference/unstable.html#panic-immediate-abort>.

mod traps;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::traps::replace_panics;

/// rustc puts the folder of its own linker on the path of the linker that it calls.
const LINKER: &str = "rust-lld";

const NOTHING_REPLACED: &str =
    "the object files contain no call that panics, so no panic became a trap.
  rustc or LLVM may write them in another way than before: compare them with
  tools/wasm-build/src/bin/wasm-linker/traps.rs.
  `npm run build -- --plain` builds without this linker.";

fn main() -> ExitCode {
    match link(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-linker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Edits the object files among the arguments, and links with the edited ones.
///
/// With link-time optimisation these objects contain all code, the standard library's included.
fn link(args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = args.collect();
    // Cargo also links dependencies that are a cdylib. Nobody uses these.
    if std::env::var_os("CARGO_PRIMARY_PACKAGE").is_none() {
        return run(&args);
    }
    let output = args.iter().skip_while(|arg| *arg != "-o").nth(1);
    let work = PathBuf::from(output.ok_or("rustc gave no -o")?).with_extension("traps");
    std::fs::create_dir_all(&work)?;
    run(&edit_objects(args, &work)?)?;
    Ok(std::fs::remove_dir_all(&work)?)
}

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    if Command::new(LINKER).args(args).status()?.success() {
        Ok(())
    } else {
        Err(format!("{LINKER} failed").into())
    }
}

/// The arguments with the edited objects in the folder `work`. Fails if no object had a panic.
fn edit_objects(args: Vec<String>, work: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut replaced = 0;
    let mut edited = Vec::new();
    for arg in args {
        if !arg.ends_with(".o") {
            edited.push(arg);
            continue;
        }
        let (object, traps) = replace_panics(&std::fs::read(&arg)?)?;
        replaced += traps;
        let path = work.join(Path::new(&arg).file_name().unwrap_or_default());
        std::fs::write(&path, object)?;
        edited.push(path.display().to_string());
    }
    if replaced == 0 {
        return Err(NOTHING_REPLACED.into());
    }
    Ok(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_without_a_panic_fail_the_build() {
        let work = std::env::temp_dir().join(format!("wasm-linker-{}", std::process::id()));
        std::fs::create_dir_all(&work).unwrap();
        let object = work.join("empty.o");
        std::fs::write(&object, wasm_encoder::Module::new().finish()).unwrap();
        let args = vec![object.display().to_string(), "--gc-sections".to_owned()];
        let failed = edit_objects(args, &work).unwrap_err();
        assert!(
            failed.to_string().contains("no panic became a trap"),
            "{failed}"
        );
        std::fs::remove_dir_all(&work).unwrap();
    }
}
