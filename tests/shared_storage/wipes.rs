//! Wipes: the rows and calls that they end, in every client of the storage.

use super::*;

#[test]
fn a_wiped_row_has_an_outcome_even_if_its_client_missed_the_wipe() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    storage.wipe();
    tab.act(|rig| rig.handle(Event::Woke));
    let effects = tab.settle(&mut storage);
    assert_eq!(settled(&effects), [(1, "outcome_unknown".to_owned())]);
}

#[test]
fn a_wipe_while_storage_is_read_leaves_nothing_to_send() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.lose(connection, 1006));
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Woke));
    let request = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    tab.wiped(RowNo(u64::MAX));
    storage.wipe();
    tab.answered(answer);
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn f11_a_publication_that_is_being_saved_while_the_outbox_is_wiped_is_wiped_too() {
    for comes_first in ["the save", "the wipe"] {
        let mut storage = Storage::default();
        let (mut tab, _) = Tab::sender(&mut storage);
        tab.publish("t", None);
        tab.publish("t", None);
        let save = tab.asked.take().unwrap();
        let mut effects = tab.wiping(true);
        let mut last = RowNo(0);
        if comes_first == "the wipe" {
            last = storage.wipe();
        }
        let (answer, _) = storage.answer(&save, "p1", |_| String::new());
        if comes_first == "the save" {
            last = storage.wipe();
        }
        effects.extend(tab.answered(answer));
        effects.extend(tab.settle(&mut storage));
        effects.extend(tab.wiped(last));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(sent(&effects), [""; 0], "{comes_first}");
        assert_eq!(queued(&effects), [], "{comes_first}");
        let why = PublishRefusal::Wiped;
        assert_eq!(refused(&effects), [(2, why), (1, why)], "{comes_first}");
        let left = (storage.rows().count(), storage.letters().count());
        assert_eq!(left, (0, 0), "{comes_first}");
        tab.publish("t", None);
        assert_eq!(sent(&tab.settle(&mut storage)).len(), 1, "{comes_first}");
    }
}

#[test]
fn f11_nothing_is_saved_while_the_outbox_is_wiped() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.wiping(true);
    tab.publish("t", None);
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 0);
    let effects = tab.wiped(RowNo(0));
    assert_eq!(refused(&effects), [(1, PublishRefusal::Wiped)]);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(1, true)]);
}

#[test]
fn f11_a_wipe_without_an_end_keeps_publications_from_storage_for_ten_seconds() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.wiping(true);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), []);
    tab.act(|rig| rig.after(10_000, Event::Deadline));
    assert_eq!(queued(&tab.settle(&mut storage)), [(1, true)]);
}

#[test]
fn f11_a_save_that_fails_while_the_outbox_is_wiped_is_not_tried_again() {
    for fault in [StoreFault::Full, StoreFault::Closed, StoreFault::Lost] {
        let mut storage = Storage::default();
        let (mut tab, _) = Tab::sender(&mut storage);
        tab.publish("t", None);
        tab.wiping(true);
        let mut effects = tab.answered(StoreAnswer::Failed(fault));
        effects.extend(tab.wiped(RowNo(0)));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(refused(&effects), [(1, PublishRefusal::Wiped)], "{fault:?}");
        assert_eq!(sent(&effects), [""; 0], "{fault:?}");
        assert_eq!(storage.rows().count(), 0, "{fault:?}");
    }
}

#[test]
fn f11_a_wipe_removes_an_unsent_row_that_another_tab_saved_before_it() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.wiping(true);
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    let mut effects = tab.hear("p1", added(1, 1));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0], "it is being wiped");
    let last = storage.wipe();
    effects.extend(other.wiped(last));
    effects.extend(other.settle(&mut storage));
    effects.extend(tab.wiped(last));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(storage.rows().count(), 0);
    assert_eq!(sent(&effects), [""; 0]);
    let wiped = (1, "wiped".to_owned());
    assert_eq!(settled(&effects), [wiped.clone(), wiped], "in either tab");
}

#[test]
fn f11_a_row_saved_after_a_wipe_stays_even_if_its_tab_learns_of_the_wipe_later() {
    for is_told_before in [true, false] {
        let mut storage = Storage::default();
        let (mut tab, connection) = Tab::sender(&mut storage);
        tab.publish("t", None);
        let mut effects = tab.settle(&mut storage);
        if is_told_before {
            effects.extend(tab.wiping(false));
            effects.extend(tab.settle(&mut storage));
        }
        let last = storage.wipe();
        if is_told_before {
            tab.act(|rig| rig.after(5, Event::Deadline));
            tab.publish("t", None);
            assert!(tab.asked.is_none(), "it waits for the end of the wipe");
        } else {
            tab.publish("t", None);
            effects.extend(tab.settle(&mut storage));
        }
        effects.extend(tab.wiped_ago(last, 2));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(storage.rows().count(), 1, "{is_told_before}");
        assert_eq!(refused(&effects), [], "{is_told_before}");
        assert_eq!(queued(&effects), [(1, true), (2, true)], "{is_told_before}");
        assert_eq!(
            settled(&effects),
            [(1, "wiped".to_owned())],
            "{is_told_before}"
        );
        // Its post may have been dropped together with those of wiped rows.
        let last_sent = sent(&effects).pop();
        assert_eq!(last_sent.as_deref(), Some("pub 2 0 t"), "{is_told_before}");
        assert_eq!(settled(&tab.ack(connection, 2)), [(2, "acked".to_owned())]);
    }
}

#[test]
fn f11_a_publication_that_is_being_saved_is_wiped_only_if_its_row_was_removed() {
    for comes_first in ["the save", "the wipe"] {
        let mut storage = Storage::default();
        let (mut tab, _) = Tab::sender(&mut storage);
        tab.publish("t", None);
        let save = tab.asked.take().unwrap();
        let answer = |storage: &mut Storage| storage.answer(&save, "p1", |_| String::new()).0;
        let (answer, last) = if comes_first == "the save" {
            (answer(&mut storage), storage.wipe())
        } else {
            let last = storage.wipe();
            (answer(&mut storage), last)
        };
        let mut effects = tab.wiping(false);
        effects.extend(tab.wiped_ago(last, 0));
        effects.extend(tab.answered(answer));
        effects.extend(tab.settle(&mut storage));
        if comes_first == "the save" {
            assert_eq!(refused(&effects), [(1, PublishRefusal::Wiped)]);
            assert_eq!((storage.rows().count(), sent(&effects).len()), (0, 0));
        } else {
            assert_eq!(queued(&effects), [(1, true)]);
            assert_eq!((storage.rows().count(), sent(&effects).len()), (1, 1));
        }
    }
}

#[test]
fn f11_a_wipe_ends_unsaved_publications_from_before_it() {
    for fault in [None, Some(StoreFault::Closed), Some(StoreFault::Lost)] {
        let mut storage = Storage::default();
        let (mut tab, _) = Tab::sender(&mut storage);
        tab.publish("t", None);
        let save = tab.asked.clone();
        tab.act(|rig| rig.after(10, Event::Deadline));
        tab.publish("t", None);
        let last = storage.wipe();
        let mut effects = Vec::new();
        if fault == Some(StoreFault::Lost) {
            // Both were moved to memory at the same time, so only later publications stay.
            effects.extend(tab.answered(StoreAnswer::Failed(StoreFault::Lost)));
            tab.act(|rig| rig.after(10, Event::Deadline));
            effects.extend(tab.publish("t", None));
        }
        effects.extend(tab.wiped_ago(last, 5));
        tab.asked = save.filter(|_| fault.is_none());
        if let Some(fault) = fault.filter(|fault| *fault != StoreFault::Lost) {
            effects.extend(tab.answered(StoreAnswer::Failed(fault)));
        }
        effects.extend(tab.settle(&mut storage));
        let ends = (refused(&effects), settled(&effects));
        let wiped = |row: u64| (longhaul::MEMORY_ROWS + row, "wiped".to_owned());
        match fault {
            // Its transaction came after the wipe's.
            None => assert_eq!(ends, (vec![], vec![])),
            Some(StoreFault::Lost) => assert_eq!(ends, (vec![], vec![wiped(1), wiped(2)])),
            Some(_) => assert_eq!(ends, (vec![(1, PublishRefusal::Wiped)], vec![])),
        }
    }
}

#[test]
fn f11_a_wipe_that_another_tab_begins_and_never_ends_takes_nothing_away() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    assert_eq!(sent(&tab.settle(&mut storage)), ["pub 1 0 t"]);
    tab.wiping(false);
    tab.publish("t", None);
    assert_eq!(sent(&tab.settle(&mut storage)), [""; 0]);
    let mut effects = tab.act(|rig| rig.after(10_000, Event::Deadline));
    effects.extend(tab.settle(&mut storage));
    // Posts on their way may have been dropped, so the hub decides.
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
    assert_eq!(settled(&tab.ack(connection, 1)), [(1, "acked".to_owned())]);
}

#[test]
fn f11_a_wipe_covers_the_memory_outbox() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    let effects = tab.wiped(RowNo(0));
    assert_eq!(
        settled(&effects),
        [(longhaul::MEMORY_ROWS + 1, "wiped".to_owned())]
    );
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn f11_a_wipe_without_an_end_keeps_the_others_from_sending_for_ten_seconds() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.wiping(true);
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    tab.hear("p1", added(1, 1));
    assert_eq!(sent(&tab.settle(&mut storage)), [""; 0]);
    let mut effects = tab.act(|rig| rig.after(10_000, Event::Deadline));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), ["pub 1 0 t"]);
}

#[test]
fn f11_a_publication_after_a_wipe_does_not_end_with_the_row_whose_key_it_has() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.wiping(true);
    let last = storage.wipe();
    // The first one is saved between the wipe and its end, and wiped with it. The next one comes
    // before storage has answered.
    tab.publish("t", Some("k"));
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.wiped(last);
    tab.publish("t", Some("k"));
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 1);
}
