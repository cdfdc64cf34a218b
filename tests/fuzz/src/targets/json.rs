//! Documents and their changes, beside other implementations: serde_json says what is JSON,
//! json-patch what a patch does.
//!
//! A line is `doc JSON`, `patch JSON` or `merge JSON`, and every JSON text is offered to the hub as
//! a payload, too. Where both sides differ by decision (rules D4 to D6) the difference must be one
//! that was decided.

use std::fmt::Write;

use longhaul::document::patch::{Change, DOCUMENT_BYTES_MAX, Fault, Why};
use longhaul::document::value::{DEPTH_MAX, JsonFault, Value, read};
use longhaul::ids::Seq;
use longhaul_hub::core::{Hub, Limits, Now, PayloadFault, PublishFault};
use serde_json::Value as Json;
use serde_json::value::RawValue;

/// Rules W6 and D4 to D6, D8.
///
/// # Panics
/// Where they are not held.
pub fn run(text: &str) {
    let mut document = Value::default();
    for line in text.lines() {
        let (verb, json) = line.split_once(' ').unwrap_or((line, ""));
        let value = check_reader(json);
        check_payload(json);
        match (verb, value) {
            ("doc", Some(value)) => document = value,
            ("patch", _) => check_change(&mut document, json, Change::patch(json), patch_by_other),
            ("merge", _) => check_change(&mut document, json, Change::merge(json), merge_by_other),
            _ => {}
        }
        check_value(&document);
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// How deep a text nests that is JSON: strings left out, then counted.
fn depth(json: &str) -> usize {
    let mut outside = String::new();
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('"') {
        outside.push_str(before);
        let escaped = after.replace("\\\\", "__").replace("\\\"", "__");
        rest = escaped.find('"').map_or("", |end| &after[end + 1..]);
    }
    outside.push_str(rest);
    let mut depths = vec![0_usize];
    for char in outside.chars() {
        let depth = depths.last().copied().unwrap_or(0);
        match char {
            '[' | '{' => depths.push(depth + 1),
            ']' | '}' => depths.push(depth - 1),
            _ => {}
        }
    }
    depths.into_iter().max().unwrap_or(0)
}

/// The reader and serde_json agree on what is JSON, but for what documents can't have (rules D5,
/// W6).
fn check_reader(json: &str) -> Option<Value> {
    let ours = read(json);
    let theirs = is_json(json);
    let lower = json.to_ascii_lowercase();
    match &ours {
        Ok(value) => {
            assert!(theirs, "read, but no JSON: {json:?}");
            assert_eq!(usize::from(value.height()), depth(json), "{json:?}");
            check_value(value);
            let meant = serde_json::from_str::<Json>(json).ok();
            assert_eq!(serde_json::from_str::<Json>(&value.to_json()).ok(), meant);
        }
        Err(_) if !theirs => {}
        Err(JsonFault::TooDeep) => assert!(depth(json) > usize::from(DEPTH_MAX), "{json:?}"),
        Err(JsonFault::KeyForbidden) => assert!(
            // What stands behind an escape is not looked for here.
            json.contains('\\')
                || ["__proto__", "constructor", "prototype"]
                    .iter()
                    .any(|key| json.contains(&format!("\"{key}\""))),
            "{json:?}"
        ),
        Err(JsonFault::Syntax(_)) => {
            let has_surrogate = lower.contains("\\ud");
            assert!(has_surrogate || has_long_exponent(&lower), "{json:?}");
        }
    }
    ours.ok()
}

fn has_long_exponent(lower: &str) -> bool {
    lower.split('e').skip(1).any(|after| {
        let digits = after.trim_start_matches(['+', '-']);
        let digits = digits.bytes().take_while(u8::is_ascii_digit).count();
        digits > 9
    })
}

/// What a value knows of itself is so, and it is the same when it was written and read, whatever
/// the order of its keys.
fn check_value(value: &Value) {
    let text = value.to_json();
    let again = read(&text).unwrap_or_else(|fault| panic!("{fault:?}: {text}"));
    assert_eq!(&again, value, "{text}");
    assert_eq!(again.to_json(), text);
    assert_eq!(again.bytes(), value.bytes(), "{text}");
    assert_eq!(again.height(), value.height(), "{text}");
    assert_eq!(again.hash48(), value.hash48(), "{text}");
    let mut backwards = String::new();
    write_backwards(value, &mut backwards);
    let backwards = read(&backwards).unwrap_or_else(|fault| panic!("{fault:?}: {backwards}"));
    assert_eq!(&backwards, value, "{text}");
    assert_eq!(backwards.hash48(), value.hash48(), "{text}");
}

/// JSON with the members of every object in the opposite order.
fn write_backwards(value: &Value, out: &mut String) {
    match value {
        Value::Array(array) => {
            out.push('[');
            for (at, value) in array.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_backwards(value, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            let members: Vec<_> = object.iter().collect();
            for (at, (key, value)) in members.into_iter().rev().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                write!(out, "{comma}{}:", Json::from(&**key)).expect("texts grow");
                write_backwards(value, out);
            }
            out.push('}');
        }
        other => other.write(out),
    }
}

/// Rule W6: the hub takes a text just where it is JSON, not too deep and not too long; what it
/// keeps means the same in one line.
fn check_payload(json: &str) {
    let limits = Limits {
        payload_bytes_max: 4_096,
        ..Limits::default()
    };
    let mut hub = Hub::new(limits, 1);
    let now = Now::default();
    let outcome = hub.publish(now, "a", None, json, &mut Vec::new());
    let is_short = json.len() <= limits.payload_bytes_max;
    let expected = is_short && is_json(json) && depth(json) <= usize::from(DEPTH_MAX);
    match outcome {
        Ok(_) => {
            assert!(expected, "taken: {json:?}");
            let page = hub.read(now, "a", Seq(1), 1);
            let page = page.unwrap_or_else(|fault| panic!("{fault:?}"));
            let kept = &*page.entries[0].1.payload;
            assert!(!kept.contains(['\n', '\r']), "{kept:?}");
            assert_eq!(kept, kept.trim_matches([' ', '\t']));
            let meaning = |text| serde_json::from_str::<Json>(text).ok();
            assert_eq!(meaning(kept), meaning(json));
        }
        Err(PublishFault::Payload(fault)) => {
            assert!(!expected, "{fault:?}: {json:?}");
            assert_eq!(matches!(fault, PayloadFault::TooLarge { .. }), !is_short);
        }
        Err(fault) => panic!("{fault:?}: {json:?}"),
    }
}

type Other = fn(&Json, &Json) -> Option<Json>;

/// A change takes effect as elsewhere, or leaves the document alone.
fn check_change(document: &mut Value, json: &str, change: Result<Change, Fault>, other: Other) {
    let before = document.clone();
    let text = document.to_json();
    let outcome = change.and_then(|change| change.apply(document));
    assert_eq!(before.to_json(), text, "a copy changed: {json}");
    if outcome.is_err() {
        assert_eq!(document.to_json(), text, "half done: {json}");
    }
    assert!(document.bytes() <= DOCUMENT_BYTES_MAX);
    assert!(document.height() <= DEPTH_MAX);
    // Limits and keys that others do not know.
    if let Err(
        Why::TooDeep
        | Why::TooLarge
        | Why::TooManyOperations
        | Why::KeyForbidden
        | Why::CopiesTooMuch,
    ) = outcome.as_ref().map_err(|fault| fault.why)
    {
        return;
    }
    // The other implementation rounds numbers, and knows 1 and 1.0 apart.
    if !(has_plain_numbers(&text) && has_plain_numbers(json)) {
        return;
    }
    let Ok(then) = serde_json::from_str::<Json>(&text) else {
        return;
    };
    let expected = serde_json::from_str::<Json>(json)
        .ok()
        .and_then(|change| other(&then, &change));
    assert_eq!(
        outcome.is_ok(),
        expected.is_some(),
        "{outcome:?}: {text} {json}"
    );
    if let Some(expected) = expected {
        let ours = serde_json::from_str::<Json>(&document.to_json()).ok();
        assert_eq!(ours, Some(expected), "{text} {json}");
    }
}

/// Whether all that may be numbers are small and whole, so that every program reads them alike.
fn has_plain_numbers(json: &str) -> bool {
    let bytes = json.as_bytes();
    let digits = json.split(|char: char| !char.is_ascii_digit());
    let is_short = digits.into_iter().all(|digits| digits.len() <= 15);
    let is_whole = bytes.windows(2).all(|pair| {
        !(pair[0].is_ascii_digit() && matches!(pair[1], b'.' | b'e' | b'E')) && pair != b"-0"
    });
    is_short && is_whole
}

/// Step by step, because the other one does not go back to where it was after all failures.
fn patch_by_other(before: &Json, patch: &Json) -> Option<Json> {
    let mut document = before.clone();
    for operation in patch.as_array()? {
        // It would also read an operation's members from an array, in its own order.
        operation.as_object()?;
        let list = Json::from(vec![operation.clone()]);
        let list: json_patch::Patch = serde_json::from_value(list).ok()?;
        // It refuses to take the whole away, where we leave null (rule D4), and to put the whole
        // where it is.
        match (&operation["op"], &operation["path"], &operation["from"]) {
            (op, path, _) if op == "remove" && path == "" => document = Json::Null,
            (op, path, from) if op == "move" && path == "" && from == "" => {}
            _ => json_patch::patch(&mut document, &list).ok()?,
        }
    }
    Some(document)
}

fn merge_by_other(before: &Json, partial: &Json) -> Option<Json> {
    let mut document = before.clone();
    json_patch::merge(&mut document, partial);
    Some(document)
}
