//! What has become of a value, as commands for a copy of it.

use longhaul::document::patch::Change;
use longhaul::document::value::{Commands, Value, read};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

fn value(text: &str) -> Value {
    read(text).unwrap()
}

fn patched(before: &Value, patch: &str) -> Value {
    let mut now = before.clone();
    Change::patch(patch).unwrap().apply(&mut now).unwrap();
    now
}

/// What a page does with commands.
pub(crate) fn follow(copy: &mut Json, commands: &str) {
    let commands: Vec<Vec<Json>> = serde_json::from_str(commands).unwrap();
    for command in commands {
        let pointer = command[0].as_str().unwrap();
        let (above, key) = pointer.rsplit_once('/').unwrap_or(("", ""));
        let key = key.replace("~1", "/").replace("~0", "~");
        match &command[1..] {
            [] => {
                let members = copy.pointer_mut(above).unwrap().as_object_mut().unwrap();
                assert!(members.remove(&key).is_some());
            }
            [value] => *copy.pointer_mut(pointer).unwrap() = value.clone(),
            [value, count] => {
                let members = copy.pointer_mut(above).unwrap().as_object_mut().unwrap();
                assert_eq!(members.insert(key, value.clone()), None, "{pointer}");
                assert_eq!(count.as_u64(), Some(members.len() as u64), "{pointer}");
            }
            [from, gone, come] => {
                let from = usize::try_from(from.as_u64().unwrap()).unwrap();
                let gone = usize::try_from(gone.as_u64().unwrap()).unwrap();
                let array = copy.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
                array.splice(from..from + gone, come.as_array().unwrap().clone());
            }
            more => panic!("{more:?}"),
        }
    }
}

/// The same for a copy whose members keep their order.
fn follow_in_order(copy: &mut Value, commands: &str) {
    let commands: Vec<Vec<&RawValue>> = serde_json::from_str(commands).unwrap();
    for command in commands {
        let path = command[0].get().trim_matches('"');
        let patch = |op: &str, path: &str, value: &str| {
            format!(r#"[{{"op":"{op}","path":"{path}","value":{value}}}]"#)
        };
        let patches = match &command[1..] {
            [] => vec![patch("remove", path, "null")],
            [value] => vec![patch("replace", path, value.get())],
            [value, _] => vec![patch("add", path, value.get())],
            [from, gone, come] => {
                let place = format!("{path}/{from}");
                let gone: usize = serde_json::from_str(gone.get()).unwrap();
                let come: Vec<&RawValue> = serde_json::from_str(come.get()).unwrap();
                let gone = std::iter::repeat_n(patch("remove", &place, "null"), gone);
                let come = come.iter().rev();
                gone.chain(come.map(|value| patch("add", &place, value.get())))
                    .collect()
            }
            more => panic!("{more:?}"),
        };
        for patch in patches {
            *copy = patched(copy, &patch);
        }
    }
}

#[test]
fn members_that_come_before_others_take_their_places() {
    let confirmed = value(r#"{"a":0,"z":0}"#);
    let seen = patched(
        &confirmed,
        r#"[{"op":"add","path":"/own","value":1},{"op":"remove","path":"/a"}]"#,
    );
    for (now, commands) in [
        // Somebody else's change came before the own one.
        (
            r#"[{"op":"remove","path":"/a"},{"op":"add","path":"/else","value":2},{"op":"add","path":"/own","value":1}]"#,
            r#"[["/own"],["/else",2,2],["/own",1,3]]"#,
        ),
        // The own changes are undone.
        ("[]", r#"[["/own"],["/z"],["/a",0,1],["/z",0,2]]"#),
    ] {
        let now = patched(&confirmed, now);
        assert_eq!(now.changes_since(&seen).as_deref(), Some(commands));
        let mut copy = seen.clone();
        follow_in_order(&mut copy, commands);
        assert_eq!(copy.to_json(), now.to_json());
    }
}

#[test]
fn what_has_changed_is_told_in_few_words() {
    let before = value(r#"{"a":{"x":1,"y":[1,2,3]},"b":null,"c":"t"}"#);
    for (patch, commands) in [
        ("[]", None),
        (r#"[{"op":"replace","path":"/a/x","value":1.0}]"#, None),
        (
            r#"[{"op":"replace","path":"/a/x","value":2}]"#,
            Some(r#"[["/a/x",2]]"#),
        ),
        (
            r#"[{"op":"replace","path":"","value":[]}]"#,
            Some(r#"[["",[]]]"#),
        ),
        (
            r#"[{"op":"remove","path":"/b"},{"op":"add","path":"/z\"","value":{}},{"op":"add","path":"/d","value":1}]"#,
            Some(r#"[["/b"],["/z\"",{},3],["/d",1,4]]"#),
        ),
        (
            r#"[{"op":"add","path":"/a/y/0","value":0}]"#,
            Some(r#"[["/a/y",0,0,[0]]]"#),
        ),
        (
            r#"[{"op":"remove","path":"/a/y/1"}]"#,
            Some(r#"[["/a/y",1,1,[]]]"#),
        ),
        (
            r#"[{"op":"replace","path":"/a/y/2","value":{"q":1}}]"#,
            Some(r#"[["/a/y/2",{"q":1}]]"#),
        ),
    ] {
        let now = patched(&before, patch);
        assert_eq!(now.changes_since(&before).as_deref(), commands, "{patch}");
    }
    assert_eq!(
        before.changes_since(&Value::Null),
        Some(format!("[[\"\",{}]]", before.to_json()))
    );
}

#[test]
fn a_change_in_something_large_is_told_without_the_rest() {
    let list: Vec<u32> = (0..5_000).collect();
    let before = value(&json!({ "list": list, "map": list.iter().map(|n| (n.to_string(), *n)).collect::<std::collections::BTreeMap<_, _>>() }).to_string());
    for (patch, commands) in [
        (
            r#"[{"op":"add","path":"/list/0","value":7}]"#,
            r#"[["/list",0,0,[7]]]"#,
        ),
        (
            r#"[{"op":"add","path":"/list/2500","value":7}]"#,
            r#"[["/list",2500,0,[7]]]"#,
        ),
        (
            r#"[{"op":"remove","path":"/list/4999"}]"#,
            r#"[["/list",4999,1,[]]]"#,
        ),
        (
            r#"[{"op":"replace","path":"/list/77","value":7}]"#,
            r#"[["/list/77",7]]"#,
        ),
        (
            r#"[{"op":"move","from":"/map/1234","path":"/map/new"}]"#,
            r#"[["/map/1234"],["/map/new",1234,5000]]"#,
        ),
    ] {
        let now = patched(&before, patch);
        assert_eq!(
            now.changes_since(&before).as_deref(),
            Some(commands),
            "{patch}"
        );
    }
}

fn any_patch() -> impl Strategy<Value = String> {
    let place = proptest::collection::vec(0_u8..5, 1..4).prop_map(|steps| {
        steps
            .iter()
            .map(|step| format!("/{step}"))
            .collect::<String>()
    });
    let value = prop_oneof![
        Just("1"),
        Just("[]"),
        Just("{}"),
        Just("[1,[2],3]"),
        Just("{\"0\":{},\"1\":[4]}")
    ];
    let operation =
        (0_u8..6, place.clone(), place, value).prop_map(|(op, path, from, value)| match op {
            0 | 1 => format!(r#"{{"op":"add","path":"{path}","value":{value}}}"#),
            2 => format!(r#"{{"op":"remove","path":"{path}"}}"#),
            3 => format!(r#"{{"op":"copy","from":"{from}","path":"{path}"}}"#),
            4 => format!(r#"{{"op":"replace","path":"{path}","value":{value}}}"#),
            _ => format!(r#"{{"op":"move","from":"{from}","path":"{path}"}}"#),
        });
    proptest::collection::vec(operation, 1..4)
        .prop_map(|operations| format!("[{}]", operations.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_copy_that_follows_is_what_the_value_is(
        patches in proptest::collection::vec((any_patch(), any::<bool>()), 1..60),
        is_long in any::<bool>(),
    ) {
        let text = if is_long {
            let list: Vec<u32> = (0..300).collect();
            json!({ "0": list, "1": {} }).to_string()
        } else {
            r#"{"0":[1,2,3],"1":{"0":{}}}"#.to_owned()
        };
        let mut now = value(&text);
        let (mut seen, mut copy) = (now.clone(), serde_json::from_str::<Json>(&text).unwrap());
        let (mut told, mut told_copy) = (Commands::at_most(usize::MAX), copy.clone());
        for (patch, is_look) in patches {
            let _ = Change::patch(&patch).unwrap().apply_and_tell(&mut now, &mut told);
            if is_look {
                match now.changes_since(&seen) {
                    Some(commands) => follow(&mut copy, &commands),
                    None => prop_assert_eq!(&now, &seen),
                }
                prop_assert_eq!(&value(&copy.to_string()), &now, "{}", patch);
                seen = now.clone();
                // From somewhere else, so that nothing is shared.
                prop_assert_eq!(value(&now.to_json()).changes_since(&now), None);

                let told = std::mem::replace(&mut told, Commands::at_most(usize::MAX));
                if let Some(commands) = told.into_json() {
                    follow(&mut told_copy, &commands);
                }
                prop_assert_eq!(&value(&told_copy.to_string()), &now, "{}", patch);
            }
        }
    }

    #[test]
    fn a_copy_with_own_changes_has_its_members_in_order(
        entries in proptest::collection::vec(any_patch(), 1..30),
        own in proptest::collection::vec((0_usize..30, 0_usize..30, any_patch()), 0..10),
        is_long in any::<bool>(),
    ) {
        let mut confirmed = value(if is_long { "[]" } else { r#"{"0":[1,2,3],"1":{"0":{}}}"# });
        if is_long {
            let members: Vec<String> = (0..300).map(|n| format!("\"{n}\":{{}}")).collect();
            confirmed = value(&format!("{{{}}}", members.join(",")));
        }
        let (mut seen, mut copy) = (confirmed.clone(), confirmed.clone());
        for (turn, entry) in entries.iter().enumerate() {
            let apply = |patch: &str, to: &mut Value| {
                let mut next = to.clone();
                if Change::patch(patch).unwrap().apply(&mut next).is_ok() {
                    *to = next;
                }
            };
            apply(entry, &mut confirmed);
            let mut now = confirmed.clone();
            for (from, to, patch) in &own {
                if (*from..*to).contains(&turn) {
                    apply(patch, &mut now);
                }
            }
            if let Some(commands) = now.changes_since(&seen) {
                follow_in_order(&mut copy, &commands);
            }
            prop_assert_eq!(copy.to_json(), now.to_json());
            seen = now;
        }
    }
}
