//! Stands in for the linker of the wasm builds: panics become traps (traps.rs), then the real linker goes on.
//!
//! With link-time optimisation all code is in the object files that rustc hands over, the standard library's too. rustc has put the
//! folder of the real linker on the path.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::traps::trapped;

const LINKER: &str = "rust-lld";

/// `args` as rustc gives them to the linker.
pub(crate) fn link(args: Vec<String>) -> Result<(), Box<dyn Error>> {
    let output = args.iter().skip_while(|arg| *arg != "-o").nth(1);
    let work = PathBuf::from(output.ok_or("no -o")?).with_extension("traps");
    std::fs::create_dir_all(&work)?;
    let mut linked = Vec::new();
    for arg in args {
        if !arg.ends_with(".o") {
            linked.push(arg);
            continue;
        }
        let object = trapped(&std::fs::read(&arg)?)?;
        let edited = work.join(Path::new(&arg).file_name().unwrap_or_default());
        std::fs::write(&edited, object)?;
        linked.push(edited.display().to_string());
    }
    let status = Command::new(LINKER).args(linked).status()?;
    std::fs::remove_dir_all(&work)?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{LINKER} failed").into())
    }
}
