//! D7, D8: a document is always a state that the hub had, plus the user's own changes that it has
//! not confirmed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

mod diff;
mod model;

use longhaul::document::patch::Change;
use longhaul::document::pointer::Pointer;
use longhaul::document::value::read;
use longhaul::document::{Document, Step};
use longhaul::ids::{Chain, Cursor, Epoch, RowNo, Seq};
use longhaul::wire::Kind;

fn at(epoch: u64, seq: u64) -> Cursor {
    Cursor {
        epoch: Epoch(epoch),
        seq: Seq(seq),
        chain: Chain(seq),
    }
}

fn change(kind: Kind, text: &str) -> Change {
    match kind {
        Kind::Merge => Change::merge(text),
        _ => Change::patch(text),
    }
    .unwrap()
}

/// A document of the outbox `me` that has had its first snapshot, at seq 10.
fn following(text: &str) -> Document {
    let mut document = Document::new("me");
    assert_eq!(document.snapshot(at(1, 10), RowNo(0), text), Step::Changed);
    document
}

fn entry(document: &mut Document, seq: u64, id: Option<&str>, merge: &str) -> Step {
    document.change((Seq(seq), Chain(seq)), id, Kind::Merge, merge)
}

fn publish(document: &mut Document, row: u64, merge: &str) {
    document.publish(RowNo(row), change(Kind::Merge, merge));
}

fn shown(document: &mut Document) -> String {
    document.value().to_json()
}

#[test]
fn d7_nothing_is_known_before_the_first_snapshot_and_patches_before_it_are_dropped() {
    let mut document = Document::new("me");
    assert_eq!((document.cursor(), document.is_known()), (None, false));
    assert_eq!(entry(&mut document, 1, None, "{}"), Step::Old);
    assert_eq!(document.checkpoint(Seq(1), 0), Step::Old);
    assert_eq!(
        document.snapshot(at(1, 12), RowNo(0), "{\"a\":1}"),
        Step::Changed
    );
    assert_eq!(document.cursor(), Some(at(1, 12)));
    assert_eq!(entry(&mut document, 12, None, "{\"a\":2}"), Step::Old);
    assert_eq!(entry(&mut document, 13, None, "{\"a\":3}"), Step::Changed);
    assert_eq!(entry(&mut document, 13, None, "{\"a\":4}"), Step::Old);
    assert_eq!(document.cursor(), Some(at(1, 13)));
    assert_eq!(shown(&mut document), "{\"a\":3}");
}

#[test]
fn d7_entries_that_come_together_are_applied_in_their_order_and_what_is_none_is_healed() {
    let mut document = following("{\"n\":0}");
    let records = "merge 1 10 10 0 - {\"old\":1}\n\
        merge 1 11 11 0 - {\"a\":1}\n\
        patch 1 12 12 0 me:7 [{\"op\":\"remove\",\"path\":\"/n\"}]";
    assert_eq!(document.entries(records), Step::Changed);
    assert_eq!(document.cursor(), Some(at(1, 12)));
    assert_eq!(shown(&mut document), "{\"a\":1}");
    assert_eq!(document.entries(records), Step::Old);
    for bad in [
        "merge 1 13 13 0 - {}\nmerge 1 15 15 0 - {}",
        "patch 1 14 14 0 ä []",
        "patch 1 14 14 0 -",
        "checkpoint 1 14 0",
        "",
    ] {
        let before = document.cursor();
        assert_eq!(document.entries(bad), Step::Diverged, "{bad}");
        assert_eq!(document.entries(records), Step::Old);
        document.snapshot(before.unwrap(), RowNo(0), "{\"a\":1}");
    }
}

#[test]
fn d7_an_own_change_shows_at_once_and_leaves_with_its_entry() {
    let mut document = following("{\"n\":0}");
    publish(&mut document, 1, "{\"n\":1}");
    assert_eq!(
        (shown(&mut document).as_str(), document.pending()),
        ("{\"n\":1}", 1)
    );
    assert_eq!(document.confirmed().to_json(), "{\"n\":0}");
    // Somebody else was first; ours comes after it.
    entry(&mut document, 11, Some("you:1"), "{\"n\":7,\"x\":1}");
    assert_eq!(shown(&mut document), "{\"n\":1,\"x\":1}");
    entry(&mut document, 12, Some("me:1"), "{\"n\":1}");
    assert_eq!(document.pending(), 0);
    document.acked(RowNo(1), Epoch(1), Seq(12));
    assert_eq!(shown(&mut document), "{\"n\":1,\"x\":1}");
    assert_eq!(document.confirmed(), &read("{\"n\":1,\"x\":1}").unwrap());
}

#[test]
fn own_changes_are_laid_in_the_order_of_their_rows_whenever_they_are_found() {
    let mut document = following("{}");
    publish(&mut document, 7, r#"{"a":7}"#);
    assert_eq!(shown(&mut document), r#"{"a":7}"#);
    // It was in storage before, and is read later.
    publish(&mut document, 3, r#"{"a":3,"b":3}"#);
    assert_eq!(shown(&mut document), r#"{"a":7,"b":3}"#);
}

#[test]
fn d7_an_ack_before_the_entry_keeps_the_change_laid_until_the_entry_is_here() {
    let mut document = following("[]");
    document.publish(
        RowNo(1),
        change(
            Kind::Patch,
            "[{\"op\":\"add\",\"path\":\"/-\",\"value\":1}]",
        ),
    );
    document.acked(RowNo(1), Epoch(1), Seq(12));
    assert_eq!(shown(&mut document), "[1]");
    // It waits for nothing any more.
    assert_eq!((document.pending(), document.laid()), (0, 1));
    document.change(
        (Seq(11), Chain(0)),
        None,
        Kind::Patch,
        "[{\"op\":\"add\",\"path\":\"/0\",\"value\":0}]",
    );
    assert_eq!(shown(&mut document), "[0,1]");
    // The id is lost where the entry was published by another way; its place tells.
    document.change(
        (Seq(12), Chain(0)),
        None,
        Kind::Patch,
        "[{\"op\":\"add\",\"path\":\"/-\",\"value\":1}]",
    );
    assert_eq!(
        (shown(&mut document).as_str(), document.pending()),
        ("[0,1]", 0)
    );
}

#[test]
fn d7_an_ack_counts_for_its_own_log_and_at_its_place() {
    let mut document = following("{}");
    for row in 1..=4 {
        publish(&mut document, row, &format!("{{\"{row}\":1}}"));
    }
    // Its entry is here already, but without the id that would have told.
    entry(&mut document, 11, None, "{\"1\":1}");
    assert_eq!(document.pending(), 4);
    document.acked(RowNo(1), Epoch(1), Seq(11));
    assert_eq!((document.pending(), document.laid()), (3, 3));
    // A log that this document has not seen.
    document.acked(RowNo(4), Epoch(2), Seq(3));
    assert_eq!((document.pending(), document.laid()), (2, 3));
    document.acked(RowNo(2), Epoch(1), Seq(12));
    document.acked(RowNo(3), Epoch(1), Seq(13));
    assert_eq!(document.checkpoint(Seq(11), 0), Step::Diverged);
    document.snapshot(at(1, 12), RowNo(0), "{}");
    assert_eq!(shown(&mut document), "{\"3\":1}");
}

#[test]
fn d7_a_change_that_does_not_apply_is_refused_at_the_call() {
    let mut document = following("{\"a\":1}");
    let fault = document
        .check(&change(
            Kind::Patch,
            "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]",
        ))
        .unwrap_err();
    assert_eq!(fault.why.code(), "patch_failed");
    assert_eq!(
        (shown(&mut document).as_str(), document.pending()),
        ("{\"a\":1}", 0)
    );
}

#[test]
fn d7_a_pending_change_that_no_longer_applies_is_not_shown_and_the_hub_has_the_word() {
    let mut document = following("{\"a\":[1]}");
    let append = "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]";
    document.publish(RowNo(1), change(Kind::Patch, append));
    publish(&mut document, 2, "{\"b\":1}");
    entry(&mut document, 11, None, "{\"a\":null}");
    assert_eq!(
        (shown(&mut document).as_str(), document.pending()),
        ("{\"b\":1}", 2)
    );
    // The hub may have had it before what took its place away, or what brings it back comes first.
    entry(&mut document, 12, None, "{\"a\":[]}");
    assert_eq!(shown(&mut document), "{\"a\":[2],\"b\":1}");
    entry(&mut document, 13, None, "{\"a\":null}");
    document.dead(RowNo(1));
    assert_eq!(
        (shown(&mut document).as_str(), document.pending()),
        ("{\"b\":1}", 1)
    );
}

#[test]
fn d7_a_snapshot_has_what_has_a_verdict_so_nothing_shows_twice() {
    let mut document = following("[]");
    for row in 1..=3 {
        let append = format!("[{{\"op\":\"add\",\"path\":\"/-\",\"value\":{row}}}]");
        document.publish(RowNo(row), change(Kind::Patch, &append));
    }
    // Another log: the acks of the old one say nothing about it.
    document.acked(RowNo(3), Epoch(1), Seq(99));
    document.snapshot(at(2, 1), RowNo(1), "[1]");
    assert_eq!(
        (shown(&mut document).as_str(), document.pending()),
        ("[1,2]", 1)
    );
}

#[test]
fn d8_what_does_not_apply_or_agree_is_healed_by_a_snapshot() {
    let patch = "[{\"op\":\"remove\",\"path\":\"/missing\"}]";
    for break_it in [
        |document: &mut Document, _: &str| document.checkpoint(Seq(10), 1),
        |document: &mut Document, patch: &str| {
            document.change((Seq(11), Chain(0)), None, Kind::Patch, patch)
        },
        |document: &mut Document, _: &str| {
            document.change((Seq(11), Chain(0)), None, Kind::Patch, "no patch")
        },
        |document: &mut Document, _: &str| entry(document, 12, None, "{}"),
        |document: &mut Document, _: &str| document.snapshot(at(1, 11), RowNo(0), "no value"),
    ] {
        let mut document = following("{\"a\":1}");
        publish(&mut document, 1, "{\"own\":true}");
        assert_eq!(document.checkpoint(Seq(9), 1), Step::Old);
        assert_eq!(
            document.checkpoint(Seq(10), document.confirmed().hash48()),
            Step::Agreed
        );
        assert_eq!(break_it(&mut document, patch), Step::Diverged);
        assert_eq!(entry(&mut document, 11, None, "{}"), Step::Old);
        assert_eq!(
            shown(&mut document),
            "{\"a\":1,\"own\":true}",
            "the last value meanwhile"
        );
        assert_eq!(
            document.snapshot(at(1, 10), RowNo(0), "{\"a\":2}"),
            Step::Changed
        );
        assert_eq!(shown(&mut document), "{\"a\":2,\"own\":true}");
    }
}

#[test]
fn d7_what_has_changed_since_the_last_look_is_told_by_place() {
    let mut document = following("{\"a\":{\"x\":1,\"y\":[1,2]},\"b\":{\"z\":1}}");
    let place = |text: &str| Pointer::parse(text.into()).unwrap();
    document.look();
    entry(&mut document, 11, None, "{\"a\":{\"x\":2}}");
    publish(&mut document, 1, "{\"c\":1}");
    for (pointer, has_changed) in [
        ("", true),
        ("/a", true),
        ("/a/x", true),
        ("/a/y", false),
        ("/a/y/0", false),
        ("/b", false),
        ("/c", true),
        ("/d", false),
    ] {
        assert_eq!(
            document.has_changed(&place(pointer)),
            has_changed,
            "{pointer}"
        );
    }
    document.look();
    assert!(!document.has_changed(&place("")) && !document.has_changed(&place("/c")));
    document.dead(RowNo(1));
    assert!(document.has_changed(&place("/c")) && !document.has_changed(&place("/a")));
    // Back to what it was is no change.
    document.look();
    entry(&mut document, 12, None, "{\"b\":{\"z\":2}}");
    entry(&mut document, 13, None, "{\"b\":{\"z\":1.0}}");
    assert!(!document.has_changed(&place("/b")));
}
