//! What attackers send: refused within the limits, the document untouched.

use std::time::{Duration, Instant};

use longhaul::document::patch::{DOCUMENT_BYTES_MAX, OPERATIONS_MAX, Why};
use longhaul::document::value::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::oracle::any_json;
use crate::{check, merge, patch, value};

/// What an attacker sends is refused with this code, the document untouched, without much work.
fn refused(document: &str, text: &str, why: Why) {
    let before = value(document);
    let mut document = before.clone();
    let begun = Instant::now();
    let fault = patch(&mut document, text).unwrap_err();
    // A generous ceiling for a debug build on a busy machine: the point is that it is not minutes.
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(fault.why, why);
    assert_eq!(document, before);
}

fn operations(list: impl IntoIterator<Item = Json>) -> String {
    json!(list.into_iter().collect::<Vec<_>>()).to_string()
}

#[test]
fn s58_copies_that_double_are_stopped() {
    let double = (0..30).map(|n| json!({"op": "copy", "from": "", "path": format!("/{n}")}));
    let double = operations(double);
    refused(r#"{"seed":"0123456789"}"#, &double, Why::CopiesTooMuch);
    let double = (0..40).map(|_| json!({"op": "copy", "from": "/0", "path": "/0/-"}));
    refused("[[1]]", &operations(double), Why::TooLarge);
}

#[test]
fn s58_copies_that_are_taken_away_again_are_counted_all_the_same() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(300_000));
    let again = (0..4).flat_map(|_| {
        [
            json!({"op": "copy", "from": "/a", "path": "/b"}),
            json!({"op": "remove", "path": "/b"}),
        ]
    });
    refused(&large, &operations(again), Why::CopiesTooMuch);
}

#[test]
fn s58_a_document_grows_up_to_its_limit_and_not_over_it() {
    let mut document = value(r#"{"a":""}"#);
    let fill =
        |bytes: usize| operations([json!({"op": "add", "path": "/a", "value": "x".repeat(bytes)})]);
    let spare = DOCUMENT_BYTES_MAX - document.bytes();
    patch(&mut document, &fill(spare)).unwrap();
    assert_eq!(document.bytes(), DOCUMENT_BYTES_MAX);
    let before = document.clone();
    let fault = patch(&mut document, &fill(spare + 1)).unwrap_err();
    assert_eq!(
        (fault.why, fault.operation, &*fault.pointer),
        (Why::TooLarge, Some(0), "/a")
    );
    let fault = merge(&mut document, r#"{"b":1}"#).unwrap_err();
    assert_eq!(fault.why, Why::TooLarge);
    assert!(document == before && document.is_shared_with(&before));
}

#[test]
fn s58_ten_mebibytes_are_refused() {
    let huge = operations([json!({"op": "add", "path": "", "value": "x".repeat(10 << 20)})]);
    refused("{}", &huge, Why::TooLarge);
    let mut document = value("[]");
    let many = format!("[{}1]", "1,".repeat(5 << 20));
    assert_eq!(merge(&mut document, &many).unwrap_err().why, Why::TooLarge);
    assert_eq!(document, value("[]"));
}

#[test]
fn s58_depth_is_bounded_however_it_is_reached() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let put = |path: &str, inner: usize| {
        format!(
            r#"[{{"op":"add","path":"{path}","value":{}}}]"#,
            nested(inner)
        )
    };
    // The patch itself takes two levels.
    refused("{}", &put("", 126), Why::TooDeep);
    refused("{}", &put("", 1_000_000), Why::TooDeep);
    let mut document = value(&nested(100));
    patch(&mut document, &put("/0/-", 125)).unwrap();
    assert_eq!(document.height(), 127);
    refused(&nested(100), &put("/0/0/-", 125), Why::TooDeep);
    // By moving and copying into each other.
    let into = |op| {
        operations((0..8).flat_map(|_| {
            [
                json!({"op": op, "from": "/0", "path": "/1/-"}),
                json!({"op": "copy", "from": "/0", "path": "/-"}),
                json!({"op": "move", "from": "/1", "path": "/0/-"}),
            ]
        }))
    };
    for op in ["move", "copy"] {
        let mut document = value(&format!("[{},{},[]]", nested(60), nested(60)));
        let _ = patch(&mut document, &into(op));
        assert!(document.height() <= 127);
        check(&document);
    }
    let deep = value(&nested(127));
    let mut document = Value::default();
    patch(
        &mut document,
        r#"[{"op":"add","path":"","value":{"a":[],"b":[]}}]"#,
    )
    .unwrap();
    merge(&mut document, &format!("{{\"a\":{}}}", nested(126))).unwrap();
    let fault = patch(
        &mut document,
        r#"[{"op":"move","from":"/a","path":"/b/0"}]"#,
    )
    .unwrap_err();
    assert_eq!(fault.why, Why::TooDeep);
    assert_eq!(deep.height(), 127);
    // When the tallest is gone there is room again.
    patch(
        &mut document,
        r#"[{"op":"remove","path":"/a"},{"op":"add","path":"/b/0","value":[[]]}]"#,
    )
    .unwrap();
    assert_eq!(document.height(), 4);
    check(&document);
}

#[test]
fn s58_a_thousand_operations_pass_and_one_more_does_not() {
    let many =
        |n: usize| operations((0..n).map(|n| json!({"op": "add", "path": "/0", "value": n})));
    let mut document = value("[]");
    patch(&mut document, &many(OPERATIONS_MAX)).unwrap();
    refused("[]", &many(OPERATIONS_MAX + 1), Why::TooManyOperations);
    check(&document);
}

#[test]
fn s58_long_pointers_and_huge_indices_find_nothing() {
    for (path, why) in [
        ("/a".repeat(30_000), Why::TooDeep),
        ("/".repeat(60_000), Why::TooDeep),
        (format!("/0/{}", "9".repeat(60_000)), Why::NoIndex),
    ] {
        let add = operations([json!({"op": "add", "path": path, "value": 1})]);
        refused("[[]]", &add, why);
    }
}

proptest! {
    #[test]
    fn s58_whatever_is_sent_as_a_patch_gets_a_verdict(
        before in any_json(),
        text in r#"(\[|\{|"op":"(add|move|copy|test)"|"path":"(/a|/0|/-|)"|"from":"/[a0]"|"value":|,|\]|\}|1|\{\}|\[\]){0,12}"#,
    ) {
        let mut document = value(&before.to_string());
        let kept = document.to_json();
        if patch(&mut document, &text).is_err() {
            prop_assert_eq!(document.to_json(), kept);
        }
        check(&document);
    }
}
