//! Random documents and patches, with another implementation as the judge.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value as Json, json};

use crate::{check, merge, patch, value};

/// Values that both implementations hold exactly.
pub(crate) fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3_i64..100).prop_map(Json::from),
        select(&["", "a", "ä😀", "x\n\"\\"][..]).prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            proptest::collection::vec((select(KEYS), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

const KEYS: &[&str] = &["a", "b", "c", "", "/", "~", "~1", "0", "1", "-", "é"];

/// A place in a document or beside it, chosen by numbers.
fn place(document: &Json, steps: &[Index]) -> String {
    let (mut at, mut pointer) = (Some(document), String::new());
    for step in steps {
        let token = match at {
            Some(Json::Array(array)) => match step.index(array.len() + 2) {
                n if n <= array.len() => n.to_string(),
                _ => "-".to_owned(),
            },
            Some(Json::Object(object)) if !object.is_empty() && step.index(4) > 0 => {
                object.keys().nth(step.index(object.len())).unwrap().clone()
            }
            _ => KEYS[step.index(KEYS.len())].to_owned(),
        };
        pointer.push('/');
        pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        at = at.and_then(|json| match json {
            Json::Array(array) => array.get(token.parse::<usize>().ok()?),
            Json::Object(object) => object.get(&token),
            _ => None,
        });
    }
    pointer
}

/// An operation on what the document was at the beginning: some of them hit, some do not.
fn any_operation() -> impl Strategy<Value = (u8, Vec<Index>, Vec<Index>, Json)> {
    let steps = || proptest::collection::vec(any::<Index>(), 0..4);
    (0_u8..7, steps(), steps(), any_json())
}

fn operation(
    document: &Json,
    (op, path, from, value): &(u8, Vec<Index>, Vec<Index>, Json),
) -> Json {
    let (path, from) = (place(document, path), place(document, from));
    match op {
        0 | 1 => json!({"op": "add", "path": path, "value": value}),
        2 => json!({"op": "remove", "path": path}),
        3 => json!({"op": "replace", "path": path, "value": value}),
        4 => json!({"op": "move", "from": from, "path": path}),
        5 => json!({"op": "copy", "from": from, "path": path}),
        _ => {
            let found = document
                .pointer(&path)
                .cloned()
                .unwrap_or_else(|| value.clone());
            json!({"op": "test", "path": path, "value": found})
        }
    }
}

/// Another implementation: whether it could.
fn oracle(document: &mut Json, operation: &Json) -> bool {
    // It refuses to take the whole away; with us that leaves null (rule D4).
    if operation["path"] == "" && operation["op"] == "remove" {
        *document = Json::Null;
        return true;
    }
    if operation["path"] == "" && operation["op"] == "move" && operation["from"] == "" {
        return true;
    }
    let list: json_patch::Patch = serde_json::from_value(json!([operation])).unwrap();
    json_patch::patch(document, &list).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn d4_patches_do_what_another_implementation_does_or_nothing(
        before in any_json(),
        plan in proptest::collection::vec(any_operation(), 1..6),
    ) {
        let mut ours = value(&before.to_string());
        // A copy that is alive must never see a change.
        let kept = ours.clone();
        // The other one does not go back to where it was after all failures, so it is asked for one
        // step at a time.
        let (mut theirs, mut is_possible, mut list) = (before.clone(), true, Vec::new());
        for step in &plan {
            let operation = operation(&theirs, step);
            let mut then = theirs.clone();
            if oracle(&mut then, &operation) {
                theirs = then;
            } else {
                is_possible = false;
            }
            list.push(operation);
        }
        let expected = if is_possible { theirs } else { before.clone() };
        let text = json!(list).to_string();
        let done = patch(&mut ours, &text);
        prop_assert_eq!(done.is_ok(), is_possible, "{} {} {:?}", before, text, done);
        prop_assert_eq!(&ours, &value(&expected.to_string()), "{} {}", before, text);
        prop_assert_eq!(kept.to_json(), value(&before.to_string()).to_json());
        if done.is_err() {
            prop_assert_eq!(ours.to_json(), kept.to_json());
        }
        check(&ours);
        check(&kept);
    }

    #[test]
    fn d4_merges_do_what_another_implementation_does(before in any_json(), partial in any_json()) {
        let mut theirs = before.clone();
        json_patch::merge(&mut theirs, &partial);
        let mut ours = value(&before.to_string());
        let kept = ours.clone();
        merge(&mut ours, &partial.to_string()).unwrap();
        prop_assert_eq!(&ours, &value(&theirs.to_string()));
        prop_assert_eq!(kept.to_json(), value(&before.to_string()).to_json());
        check(&ours);
    }

    #[test]
    fn d8_equal_documents_have_equal_hashes_and_others_others(a in any_json(), b in any_json()) {
        let (ours, other) = (value(&a.to_string()), value(&b.to_string()));
        prop_assert_eq!(ours == other, a == b);
        prop_assert_eq!(ours.hash48() == other.hash48(), a == b);
    }
}

/// A long document through many patches, so that its chunks split and join on the way.
#[test]
fn d4_a_long_array_and_a_large_object_stay_right_through_many_patches() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut json = json!({"list": (0..500).collect::<Vec<_>>(), "map": {}});
    let mut document = value(&json.to_string());
    for round in 0..3_000 {
        let length = json["list"].as_array().unwrap().len();
        let key = rng.u32(0..700).to_string();
        let operation = match rng.u8(0..6) {
            0 => {
                json!({"op": "add", "path": format!("/list/{}", rng.usize(0..=length)), "value": round})
            }
            1 if length > 0 => {
                json!({"op": "remove", "path": format!("/list/{}", rng.usize(0..length))})
            }
            2 if length > 0 => {
                json!({"op": "move", "from": format!("/list/{}", rng.usize(0..length)), "path": format!("/list/{}", rng.usize(0..length))})
            }
            3 | 4 => json!({"op": "add", "path": format!("/map/{key}"), "value": {"n": round}}),
            _ => json!({"op": "remove", "path": format!("/map/{key}")}),
        };
        let mut then = json.clone();
        let is_possible = oracle(&mut then, &operation);
        if is_possible {
            json = then;
        }
        let list = json!([operation]);
        let kept = (round % 3 == 0).then(|| (document.clone(), document.to_json()));
        assert_eq!(
            patch(&mut document, &list.to_string()).is_ok(),
            is_possible,
            "{list}"
        );
        if let Some((kept, text)) = kept {
            assert_eq!(kept.to_json(), text);
        }
        if round % 100 == 0 {
            assert_eq!(document, value(&json.to_string()));
            check(&document);
        }
    }
    assert_eq!(document, value(&json.to_string()));
}
