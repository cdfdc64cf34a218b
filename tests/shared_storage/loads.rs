//! Load queries: their answers may be older than what the client already knows.

use super::*;

#[test]
fn what_is_read_of_a_row_that_has_ended_is_forgotten_with_the_answer() {
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
    // Its sender has still not noted the end.
    tab.act(|rig| rig.handle(Event::Woke));
    let effects = tab.settle(&mut storage);
    assert_eq!(forgotten(&effects), [1], "it ended before storage was read");
    assert_eq!(settled(&effects), []);
}

#[test]
fn what_a_look_has_read_in_vain_is_forgotten_until_it_is_read_again() {
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
fn what_is_noted_of_a_row_that_ends_meanwhile_is_forgotten_with_the_answer() {
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
fn a_look_that_began_before_the_page_slept_tells_nothing_of_what_is_there_now() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    tab.settle(&mut storage);
    // It is behind, and looks for what is new; then it sleeps.
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
    // The answer to the first look names what is new only, which is not all that there is.
    assert_eq!(tab.rig.client.outbox_rows(), 2);
}
