//! Patches of documents: the public vectors and ours, another implementation as oracle, and the
//! limits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod limits;
mod oracle;
#[path = "../common/vectors.rs"]
mod vectors;

use longhaul::document::patch::{Change, Fault, Why};
use longhaul::document::value::{Value, read};
use vectors::Vector;

fn value(text: &str) -> Value {
    read(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

fn patch(document: &mut Value, patch: &str) -> Result<(), Fault> {
    Change::patch(patch)?.apply(document)
}

fn merge(document: &mut Value, partial: &str) -> Result<(), Fault> {
    Change::merge(partial)?.apply(document)
}

/// A document is right inside: what it keeps of its size and height is what it has, and it reads as
/// it was written.
fn check(document: &Value) {
    let text = document.to_json();
    let again = value(&text);
    assert_eq!(&again, document, "{text}");
    assert_eq!(again.to_json(), text);
    assert_eq!(again.bytes(), document.bytes(), "{text}");
    assert_eq!(again.height(), document.height(), "{text}");
    if !text.contains('\\') {
        assert_eq!(document.bytes(), text.len(), "{text}");
    }
    assert_eq!(again.hash48(), document.hash48(), "{text}");
}

fn hold(all: Vec<Vector>, apply: fn(&mut Value, &str) -> Result<(), Fault>) {
    for vector in all {
        let name = format!("{} {}", vector.comment, vector.patch);
        let before = value(vector.doc.get());
        let mut document = before.clone();
        match (apply(&mut document, vector.patch.get()), vector.error) {
            (Ok(()), None) => {
                if let Some(expected) = &vector.expected {
                    assert_eq!(document, value(expected.get()), "{name}");
                }
            }
            (Err(fault), Some(error)) => {
                assert_eq!(document.to_json(), before.to_json(), "{name}");
                // Ours name a code, those of the suite are words.
                if error.contains('_') {
                    assert_eq!(fault.why.code(), error, "{name}");
                }
            }
            (outcome, error) => panic!("{name}: {outcome:?}, expected {error:?}"),
        }
        check(&document);
    }
}

#[test]
fn d4_the_whole_public_test_suite_of_rfc_6902_passes() {
    let suite = vectors::suite();
    assert!(suite.len() >= 94, "{}", suite.len());
    hold(suite, patch);
}

#[test]
fn d4_edge_cases_of_patches_are_as_decided() {
    hold(vectors::patches(), patch);
}

#[test]
fn d4_all_examples_of_rfc_7396_and_our_merges_are_as_told() {
    hold(vectors::merges(), merge);
}

#[test]
fn d4_a_fault_names_its_code_operation_and_place() {
    let mut document = value(r#"{"a":[1,2]}"#);
    for (text, why, operation, pointer) in [
        (
            r#"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/a/2"}]"#,
            Why::NoIndex,
            Some(1),
            "/a/2",
        ),
        (
            r#"[{"op":"move","from":"/c~1d","path":"/a/0"}]"#,
            Why::Missing,
            Some(0),
            "/c~1d",
        ),
        (
            r#"[{"op":"test","path":"/a/0","value":2}]"#,
            Why::TestFailed,
            Some(0),
            "/a/0",
        ),
        (
            r#"[{"op":"move","from":"/a","path":"/a/0"}]"#,
            Why::IntoItself,
            Some(0),
            "/a/0",
        ),
        (
            r#"[{"op":"remove","path":"/a"},{"op":"add","path":"/x"}]"#,
            Why::MemberMissing,
            Some(1),
            "/x",
        ),
        (
            r#"[{"op":"remove","path":"b"}]"#,
            Why::NotAPointer,
            Some(0),
            "b",
        ),
        (
            r#"[{"op":"add","path":"/a/__proto__","value":1}]"#,
            Why::KeyForbidden,
            Some(0),
            "/a/__proto__",
        ),
        ("{}", Why::NotAPatch, None, ""),
        ("[", Why::NotJson, None, ""),
    ] {
        let fault = patch(&mut document, text).unwrap_err();
        assert_eq!(
            (fault.why, fault.operation, &*fault.pointer),
            (why, operation, pointer),
            "{text}"
        );
        assert!(fault.why.message().len() > 10);
    }
    assert_eq!(document.to_json(), r#"{"a":[1,2]}"#);
}

#[test]
fn d4_a_replaced_member_keeps_its_place_and_a_new_one_is_last() {
    let mut document = value(r#"{"z":1,"a":2,"m":3}"#);
    patch(
        &mut document,
        r#"[{"op":"replace","path":"/a","value":0},{"op":"add","path":"/b","value":4},{"op":"move","from":"/z","path":"/y"},{"op":"move","from":"/m","path":"/m"}]"#,
    )
    .unwrap();
    assert_eq!(document.to_json(), r#"{"a":0,"m":3,"b":4,"y":1}"#);
    merge(&mut document, r#"{"m":{"x":1.50},"a":null,"c":1e2}"#).unwrap();
    assert_eq!(
        document.to_json(),
        r#"{"m":{"x":1.50},"b":4,"y":1,"c":1e2}"#
    );
}
