//! Patches with their outcomes as data: the public test suite of RFC 6902, and our own in the same
//! form.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A document, a patch, and what becomes of it. Texts as they stand in the file, so that no number
/// is rounded.
#[derive(Deserialize)]
pub(crate) struct Vector {
    #[serde(default)]
    pub(crate) comment: String,
    pub(crate) doc: Box<RawValue>,
    pub(crate) patch: Box<RawValue>,
    /// Absent where there is an error, or where the patch only has to apply.
    pub(crate) expected: Option<Box<RawValue>>,
    /// Ours: its code. The suite's: words.
    pub(crate) error: Option<String>,
}

fn load(path: &str) -> Vec<Vector> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The hub's crate is a folder of the client's.
    let root = if root.join("tests/fixtures").is_dir() {
        root.to_owned()
    } else {
        root.join("..")
    };
    let text = std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| {
        panic!("{path}: {error}; `npm install` brings it, and `npm test` does that by itself")
    });
    serde_json::from_str(&text).unwrap()
}

/// json-patch-test-suite, both files, those included that it leaves to the implementation by
/// `disabled`.
pub(crate) fn suite() -> Vec<Vector> {
    let folder = "node_modules/json-patch-test-suite";
    let mut all = load(&format!("{folder}/tests.json"));
    all.extend(load(&format!("{folder}/spec_tests.json")));
    // It says that a second `op` is an error; we read JSON as JavaScript does, where the last one
    // counts.
    all.retain(|vector| vector.comment != "duplicate ops");
    all
}

/// Our own patches.
pub(crate) fn patches() -> Vec<Vector> {
    load("tests/fixtures/patches.json")
}

/// Our own merges, those of RFC 7396 first.
pub(crate) fn merges() -> Vec<Vector> {
    load("tests/fixtures/merges.json")
}
