//! What storage and the leader know of rows that are sent: marks, and rows of other tabs that the
//! leader has not heard of.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/tab.rs"]
mod tab;

use common::Rig;
use longhaul::StoreRequest;
use tab::{Storage, Tab, sent};

/// How often each row in storage was sent, as far as storage knows.
fn attempts(storage: &Storage) -> Vec<u32> {
    storage.rows().map(|kept| kept.row.attempts).collect()
}

#[test]
fn f08_a_row_without_an_answer_for_a_second_is_marked_as_sent() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.publish("t", None);
    let effects = tab.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t"]);
    assert_eq!(attempts(&storage), [0]);
    tab.act(Rig::at_deadline);
    tab.settle(&mut storage);
    assert_eq!(attempts(&storage), [1]);
}

#[test]
fn f08_all_rows_on_their_way_share_one_transaction_and_each_is_marked_once() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    for topic in ["a", "b", "c"] {
        tab.publish(topic, None);
        tab.settle(&mut storage);
    }
    tab.act(Rig::at_deadline);
    let Some(StoreRequest::Commit(batch)) = &tab.asked else {
        panic!("{:?}", tab.asked);
    };
    assert_eq!(batch.updates.len(), 3);
    tab.settle(&mut storage);
    tab.act(Rig::at_deadline);
    assert_eq!(tab.asked, None);
}

#[test]
fn f08_an_ack_within_a_second_costs_no_transaction_but_that_of_the_removal() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.ack(connection, 1);
    tab.settle(&mut storage);
    tab.act(Rig::at_deadline);
    assert_eq!(tab.asked, None);
}

/// The leader may hear of another tab's rows later than its own row takes the place of one of them.
#[test]
fn f08_rows_before_the_one_whose_place_a_key_took_are_sent_first() {
    let mut storage = Storage::default();
    let (mut leader, _) = Tab::sender(&mut storage);
    let mut other = Tab::new();
    other.settle(&mut storage);
    other.publish("t", None);
    other.publish("t", Some("k"));
    other.settle(&mut storage);
    leader.publish("t", Some("k"));
    let effects = leader.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
}
