//! What peers may send, mutated: each target takes any text and panics where a promise is broken.
//!
//! Owns the targets and their corpora. A target names no fuzzer, so that others than `runner` can
//! call it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target fails by panicking"
)]

mod mutator;
pub mod runner;
pub mod targets;

use std::path::PathBuf;

/// A promise about any text.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its corpus, and on the command line.
    pub name: &'static str,
    /// Panics where the promise is broken.
    pub run: fn(&str),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "frames",
        run: targets::frames::run,
    },
    Target {
        name: "json",
        run: targets::json::run,
    },
    Target {
        name: "resume",
        run: targets::client::resume,
    },
    Target {
        name: "transports",
        run: targets::client::transports,
    },
    Target {
        name: "hub",
        run: targets::hub::run,
    },
];

impl Target {
    /// The one of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).copied()
    }

    /// Its committed inputs, by name, in the order of their names.
    ///
    /// # Panics
    /// Where the folder can't be read.
    #[must_use]
    pub fn corpus(&self) -> Vec<(String, String)> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(self.name);
        let files = std::fs::read_dir(&folder).expect("a target has a corpus");
        let mut corpus: Vec<(String, String)> = files
            .map(|file| {
                let path = file.expect("a readable folder").path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("a corpus is text");
                (name.into_owned(), text)
            })
            .collect();
        corpus.sort();
        corpus
    }
}
