//! The leader sends for all clients of a storage, and finds the rows that others left.

use super::*;

#[test]
fn a_row_from_before_the_open_counts_once_despite_repeated_tab_messages() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    let (mut tab, connection) = Tab::sender(&mut storage);
    let late = || TabMessage::Added {
        last: RowNo(1),
        rows: 1,
        bytes: 10,
    };
    tab.hear("p1", late());
    assert_eq!(tab.rig.client.outbox_rows(), 1);
    tab.ack(connection, 1);
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn only_the_leader_sends_and_earlier_rows_of_others_go_first() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let mut other = Tab::new();
    other.settle(&mut storage);
    assert_eq!(sent(&other.publish("t", None)), [""; 0]);
    let effects = other.settle(&mut storage);
    assert_eq!(
        (queued(&effects), sent(&effects)),
        (vec![(1, true)], vec![])
    );
    // The leader doesn't know of the row when it publishes itself.
    tab.publish("t", None);
    let effects = tab.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
}

#[test]
fn s23_a_client_that_slept_loads_before_it_sends_and_learns_the_outcomes_of_others() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    // The tab is frozen. Another one takes over, and the hub has both rows.
    let (mut other, elsewhere) = Tab::sender(&mut storage);
    other.ack(elsewhere, 1);
    other.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Woke));
    assert_eq!(sent(&tab.publish("t", None)), [""; 0]);
    let effects = tab.settle(&mut storage);
    let is_acked = |effect: &Effect| {
        matches!(
            effect,
            Effect::Outcome {
                row: RowNo(1),
                outcome: Outcome::Acked { .. },
                ..
            }
        )
    };
    assert!(effects.iter().any(is_acked), "{effects:?}");
    assert_eq!(sent(&effects), ["pub 3 2 t"]);
    assert!(!tab.ack(connection, 1).iter().any(is_acked), "told once");
}

#[test]
fn s13_a_leader_whose_storage_was_removed_finds_the_rows_of_others_in_the_new_one() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    let mut empty = Storage::default();
    tab.act(|rig| rig.handle(Event::StorageEnded));
    tab.asked = None;
    let (answer, _) = empty.answer(&StoreRequest::Open, "p2", |_| String::new());
    tab.answered(answer);
    tab.settle(&mut empty);
    let mut other = Tab::new();
    other.publish("t", None);
    let told = other.settle(&mut empty);
    let told = told.iter().find_map(|effect| match effect {
        Effect::SendTabMessage {
            producer,
            tab_message,
        } => Some((producer.clone(), tab_message.clone())),
        _ => None,
    });
    let (producer, tab_message) = told.unwrap();
    tab.hear(&producer, tab_message);
    assert_eq!(
        sent(&tab.settle(&mut empty)).len(),
        1,
        "row 1 of the new one"
    );
}

#[test]
fn i16_a_verdict_that_arrives_before_the_answer_to_the_save_is_not_lost() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish("t", None);
    let request = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    // The leader has found the row in storage and sent it, and the hub has acked it.
    tab.hear("p1", acked(1));
    let effects = tab.answered(answer);
    assert_eq!(queued(&effects), [(1, true)]);
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn i3_a_row_that_ends_while_storage_is_read_is_not_found_again() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Woke));
    let request = tab.asked.take().unwrap();
    assert!(
        matches!(request, StoreRequest::Load(_)),
        "a look, and not {request:?}"
    );
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    assert_eq!(settled(&tab.ack(connection, 1)).len(), 1);
    let mut effects = tab.answered(answer);
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}
