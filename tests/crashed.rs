//! Tests an instance that continues after a crash: calls that the earlier one may have saved, and
//! rows that it waited for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/tab.rs"]
mod tab;

use longhaul::ids::RowNo;
use longhaul::{Effect, Event, PublishRefusal, StoreAnswer, StoreFault, StoreRequest};
use tab::{Storage, Tab, queued, sent, settled};

/// Returns storage with a row of call 1, whose instance crashed before it got the answer.
fn saved() -> Storage {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish_call(1);
    let request = tab.asked.take().unwrap();
    let _ = storage.answer(&request, "p1", |call| call.to_string());
    assert_eq!(storage.rows().count(), 1);
    storage
}

fn refused(effects: &[Effect]) -> Vec<(u32, PublishRefusal)> {
    let refused = effects.iter().filter_map(|effect| match effect {
        Effect::PublishRefused { request, why } => Some((*request, *why)),
        _ => None,
    });
    refused.collect()
}

#[test]
fn s59_a_call_that_was_saved_when_its_instance_crashed_has_the_row_that_it_had() {
    let mut storage = saved();
    let mut tab = Tab::after_crash(&[]);
    tab.publish_again(1);
    tab.publish_call(2);
    let effects = tab.settle(&mut storage);
    assert_eq!(queued(&effects), [(1, true), (2, true)]);
    assert_eq!(
        (storage.rows().count(), tab.rig.client.outbox_rows()),
        (2, 2)
    );
    let (mut tab, connection) = tab.connected(&mut storage);
    let effects = tab.ack(connection, 1);
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
}

#[test]
fn s59_a_call_that_was_saved_and_has_its_verdict_by_another_tab_is_not_saved_again() {
    for (word, code) in [
        ("ack p1 1 00c0ffee00c0ffee 1 0", "acked"),
        ("nack p1 1 payload_invalid not JSON", "payload_invalid"),
        ("nack p1 1 expired given up", "discarded"),
    ] {
        let mut storage = saved();
        let (mut other, connection) = Tab::sender(&mut storage);
        if code == "discarded" {
            other.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
            other.settle(&mut storage);
        }
        other.act(|rig| rig.record(connection, word));
        other.settle(&mut storage);
        assert_eq!(storage.rows().count(), 0);
        let (mut tab, _) = Tab::after_crash(&[]).connected(&mut storage);
        let mut effects = tab.publish_again(1);
        effects.extend(tab.settle(&mut storage));
        assert_eq!(queued(&effects), [(1, true)], "{code}");
        assert_eq!(settled(&effects), [(1, code.to_owned())]);
        assert_eq!(sent(&effects), [""; 0]);
        assert_eq!(tab.rig.client.outbox_rows(), 0);
    }
}

#[test]
fn s59_a_call_that_was_not_saved_is_saved_before_those_that_came_later() {
    let mut storage = Storage::default();
    let mut tab = Tab::after_crash(&[]);
    tab.publish_again(1);
    tab.publish_call(2);
    let effects = tab.settle(&mut storage);
    assert_eq!(queued(&effects), [(1, true), (2, true)]);
    let payloads: Vec<&str> = storage.rows().map(|kept| &*kept.payload).collect();
    assert_eq!(payloads, ["1", "2"]);
    assert_eq!(tab.rig.client.outbox_rows(), 2);
}

#[test]
fn s59_a_row_that_another_tab_got_the_verdict_of_between_two_instances_is_settled() {
    let mut storage = saved();
    let (mut other, connection) = Tab::sender(&mut storage);
    other.ack(connection, 1);
    other.settle(&mut storage);
    let mut tab = Tab::after_crash(&[1]);
    let effects = tab.settle(&mut storage);
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
}

#[test]
fn s59_a_verdict_that_arrives_while_the_next_instance_loads_is_not_lost() {
    let mut storage = saved();
    let mut tab = Tab::after_crash(&[1]);
    assert_eq!(tab.asked, Some(StoreRequest::Open));
    let effects = tab.hear("p1", tab::acked(1));
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
    assert_eq!(settled(&tab.settle(&mut storage)), []);
}

#[test]
fn s59_storage_removed_in_the_crash_is_reported_and_possibly_sent_calls_are_not_saved_again() {
    let mut tab = Tab::after_crash(&[1]);
    tab.publish_again(7);
    tab.publish_call(8);
    let mut storage = Storage::default();
    let _ = storage.answer(&StoreRequest::Open, "p2", |_| String::new());
    let effects = tab.settle(&mut storage);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::OutboxLost { .. }))
    );
    assert_eq!(settled(&effects), [(1, "outbox_lost".to_owned())]);
    assert_eq!(refused(&effects), [(7, PublishRefusal::OutcomeUnknown)]);
    assert_eq!(queued(&effects), [(1, true)]);
}

#[test]
fn s55_a_wipe_in_the_crash_covers_rows_saved_before_it() {
    let mut storage = saved();
    let mut tab = Tab::after_crash(&[]);
    tab.publish_again(1);
    tab.publish_call(2);
    let last = storage.wipe();
    let effects = tab.wiped(last);
    let refusals = [PublishRefusal::OutcomeUnknown, PublishRefusal::Wiped];
    assert_eq!(refused(&effects), [(1, refusals[0]), (2, refusals[1])]);
    tab.publish_call(3);
    let effects = tab.settle(&mut storage);
    assert_eq!(queued(&effects), [(2, true)]);
    assert_eq!(storage.rows().count(), 1);
}

#[test]
fn a_save_with_an_unknown_result_is_searched_for_before_it_is_repeated() {
    for is_done in [true, false] {
        let mut storage = Storage::default();
        let (mut tab, _) = Tab::sender(&mut storage);
        tab.publish_call(1);
        let request = tab.asked.take().unwrap();
        if is_done {
            let _ = storage.answer(&request, "p1", |call| call.to_string());
        }
        let mut effects = tab.answered(StoreAnswer::Failed(StoreFault::Unknown));
        assert_eq!(tab.asked, Some(StoreRequest::Open));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(queued(&effects), [(1, true)]);
        assert_eq!(storage.rows().count(), 1);
    }
}

#[test]
fn s12_a_call_that_may_be_saved_waits_for_storage_and_takes_no_effect_beside_it() {
    for fault in [StoreFault::Lost, StoreFault::Full, StoreFault::Closed] {
        let mut storage = saved();
        let mut tab = Tab::after_crash(&[]);
        let (answer, _) = storage.answer(&StoreRequest::Open, "p1", |_| String::new());
        tab.answered(answer);
        let (answer, _) = storage.answer(&tab.asked.take().unwrap(), "p1", |_| String::new());
        tab.answered(answer);
        tab.publish_again(1);
        let effects = tab.answered(StoreAnswer::Failed(fault));
        assert_eq!(
            (queued(&effects), refused(&effects)),
            (vec![], vec![]),
            "{fault:?}"
        );
        if fault == StoreFault::Full {
            assert_eq!(tab.asked, None, "no room is made that fast");
            tab.act(common::Rig::at_deadline);
        }
        let mut effects = tab.act(|rig| rig.handle(Event::Woke));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(queued(&effects), [(1, true)], "{fault:?}");
        assert_eq!(storage.rows().count(), 1);
    }
}
