//! Load queries, whose answers may be older than the client's knowledge.

use super::*;

#[test]
fn the_payload_of_an_ended_row_is_forgotten_with_the_load_querys_answer() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Woke));
    let request = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    let effects = tab.hear("p1", acked(1));
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
    let effects = tab.answered(answer);
    assert_eq!(forgotten(&effects), [1], "it ended while storage was read");
    tab.settle(&mut storage);
    // Its leader has still not stored the outcome.
    tab.act(|rig| rig.handle(Event::Woke));
    let effects = tab.settle(&mut storage);
    assert_eq!(forgotten(&effects), [1], "it ended before storage was read");
    assert_eq!(settled(&effects), []);
}

#[test]
fn the_payloads_of_a_stale_load_query_are_forgotten_until_the_next_one() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    let (mut tab, _) = Tab::sender(&mut storage);
    other.publish("t", None);
    other.settle(&mut storage);
    tab.hear("p1", added(2, 1));
    let request = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    tab.act(|rig| rig.handle(Event::Woke));
    assert_eq!(forgotten(&tab.answered(answer)), [2]);
    assert_eq!(forgotten(&tab.settle(&mut storage)), []);
    assert_eq!(tab.rig.client.outbox_rows(), 2);
}

#[test]
fn the_payload_of_a_row_that_ends_during_its_update_is_forgotten_with_the_answer() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
    let request = tab.asked.take().unwrap();
    assert!(matches!(request, StoreRequest::Commit(_)), "{request:?}");
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    tab.hear("p1", acked(1));
    assert_eq!(forgotten(&tab.answered(answer)), [1]);
}

#[test]
fn a_load_query_from_before_a_sleep_does_not_change_the_count() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    tab.settle(&mut storage);
    // It is behind and loads the new rows. Then it sleeps.
    other.publish("t", None);
    other.settle(&mut storage);
    let added = TabMessage::Added {
        last: RowNo(2),
        rows: 1,
        bytes: 8,
    };
    tab.hear("p1", added);
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    // The first load query asked only for new rows, so its answer doesn't list all rows.
    assert_eq!(tab.rig.client.outbox_rows(), 2);
}
