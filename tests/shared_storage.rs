//! Several clients of one storage: what they find there of each other, and what they tell each other. The storage is a model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/tab.rs"]
mod tab;

use longhaul::ids::{ConnectionId, RowNo};
use longhaul::{
    Effect, Event, Outcome, PublishRefusal, StoreAnswer, StoreFault, StoreRequest, TabMessage,
};
use tab::{Storage, Tab, acked, queued, sent, settled};

#[test]
fn a_row_that_was_there_when_the_storage_was_opened_counts_once_however_often_it_is_told() {
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
fn only_the_sender_sends_and_rows_of_others_that_came_before_go_first() {
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
    // The sender has not heard of it when it publishes itself.
    tab.publish("t", None);
    let effects = tab.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
}

#[test]
fn s23_a_client_that_slept_looks_before_it_sends_and_learns_what_others_have_done() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    // It is frozen; another one takes over, and the hub has both.
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
fn s13_a_sender_whose_storage_was_removed_finds_the_rows_of_others_in_the_new_one() {
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
fn i16_a_verdict_that_overtakes_the_word_that_a_row_is_saved_is_not_lost() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish("t", None);
    let request = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    // The sender has found it in storage, and the hub has it.
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

/// Rows whose payloads are let go.
fn forgotten(effects: &[Effect]) -> Vec<u64> {
    let forgotten = effects.iter().filter_map(|effect| match effect {
        Effect::Forget { row } => Some(row.0),
        _ => None,
    });
    forgotten.collect()
}

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

#[test]
fn what_ended_while_a_sender_looked_and_lost_its_place_is_counted_out() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    let added = TabMessage::Added {
        last: RowNo(1),
        rows: 1,
        bytes: 8,
    };
    tab.hear("p1", added);
    // It looks for the row, hears of its end, and loses the connection that it would have sent it over.
    tab.hear("p1", acked(1));
    tab.act(|rig| rig.lose(connection, 1006));
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn what_was_told_to_have_ended_and_is_still_in_storage_counts_for_the_sender_alone() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    other.settle(&mut storage);
    other.publish("t", None);
    other.settle(&mut storage);
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 1);
    // Another one has the verdict, and has not noted it yet when this one looks.
    tab.hear("p1", acked(1));
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
    // It was killed before it could: whoever sends next finds the row.
    let (tab, _) = tab.connected(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 1);
}

#[test]
fn a_notice_that_got_lost_or_comes_twice_is_put_right_by_a_look_into_storage() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    let added = TabMessage::Added {
        last: RowNo(1),
        rows: 1,
        bytes: 8,
    };
    for _ in 0..2 {
        let added = added.clone();
        tab.hear("p1", added);
    }
    assert_eq!(tab.rig.client.outbox_rows(), 2);
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn both_who_published_under_a_key_learn_of_its_row() {
    let mut storage = Storage::default();
    let mut first = Tab::new();
    first.publish("t", Some("k"));
    first.settle(&mut storage);
    let mut second = Tab::new();
    second.settle(&mut storage);
    second.publish("t", Some("k"));
    assert_eq!(queued(&second.settle(&mut storage)), [(1, true)]);
    let (mut second, connection) = second.connected(&mut storage);
    second.ack(connection, 1);
    second.settle(&mut storage);
    // It hears of it from storage alone.
    first.act(|rig| rig.handle(Event::Woke));
    let effects = first.settle(&mut storage);
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
}

#[test]
fn what_took_a_rows_place_has_a_time_of_its_own() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let mut other = Tab::new();
    other.settle(&mut storage);
    other.act(|rig| rig.publish_with("t", Some(5_000), Some("k")));
    other.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Woke));
    let request = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&request, "p1", |_| String::new());
    let updates = tab.answered(answer);
    assert_eq!(sent(&updates), [""; 0]);
    other.act(|rig| rig.publish_with("t", Some(9_000), Some("k")));
    other.settle(&mut storage);
    let untils: Vec<longhaul::Until> = storage.rows().map(|kept| kept.row.until).collect();
    let effects = tab.settle(&mut storage);
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.split_once(" tag=").map(|(until, _)| until),
        _ => None,
    });
    let wanted = match untils.as_slice() {
        [longhaul::Until::Hub(ms)] => format!("until {ms}"),
        [longhaul::Until::Left(ms)] => format!("until {}", 1_763_779_200_000 + ms),
        others => panic!("{others:?}"),
    };
    assert_eq!(heads.collect::<Vec<_>>(), [wanted]);
}

#[test]
fn a_row_that_was_wiped_unheard_of_has_an_end_all_the_same() {
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
fn s13_what_is_told_of_rows_of_another_storage_is_not_of_this_ones() {
    let mut storage = Storage::default();
    let mut tab = Tab::with(true);
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    let added = TabMessage::Added {
        last: RowNo(2),
        rows: 1,
        bytes: 8,
    };
    // Another tab has the storage that was made when this one's was removed, or has not heard of that yet.
    for tab_message in [acked(1), TabMessage::Cancelled { n: RowNo(1) }, added] {
        assert_eq!(tab.hear("p2", tab_message), []);
    }
    assert_eq!(tab.rig.client.outbox_rows(), 1);
    let (mut tab, connection) = tab.connected(&mut storage);
    let effects = tab.act(|rig| rig.record(connection, "nack p1 1 payload_invalid not JSON"));
    assert_eq!(settled(&effects), [(1, "payload_invalid".to_owned())]);
    tab.settle(&mut storage);
    tab.publish("t", None);
    // Its dead letter still stops the topic, whatever became of the other storage's.
    let mut effects = tab.hear("p2", TabMessage::DeadLetterTaken { n: RowNo(1) });
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    let effects = tab.hear("p1", TabMessage::DeadLetterTaken { n: RowNo(1) });
    assert_eq!(sent(&effects), ["pub 2 0 t"]);
}

/// Lets the storage answer a tab, and the other one hear what that tells.
fn settle_heard_by(tab: &mut Tab, storage: &mut Storage, other: &mut Tab) {
    for effect in tab.settle(storage) {
        if let Effect::SendTabMessage {
            producer,
            tab_message,
        } = effect
        {
            other.hear(&producer, tab_message);
        }
    }
}

#[test]
fn s24_a_tab_that_opens_between_an_end_and_its_note_shows_no_row_too_many() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    // What is told at once is told before the other tab is there to hear it.
    tab.ack(connection, 1);
    let mut late = Tab::new();
    late.settle(&mut storage);
    assert_eq!(late.rig.client.outbox_rows(), 2);
    settle_heard_by(&mut tab, &mut storage, &mut late);
    assert_eq!(late.rig.client.outbox_rows(), 1);
    // Or while it looks.
    tab.ack(connection, 2);
    let mut late = Tab::new();
    let (opened, _) = storage.answer(&late.asked.take().unwrap(), "p1", |_| String::new());
    late.answered(opened);
    let (found, _) = storage.answer(&late.asked.take().unwrap(), "p1", |_| String::new());
    settle_heard_by(&mut tab, &mut storage, &mut late);
    late.answered(found);
    assert_eq!(late.rig.client.outbox_rows(), 0);
}

#[test]
fn s24_a_row_that_is_noted_to_have_ended_is_asked_for_by_whom_it_is_of_if_its_end_was_not_heard() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    let (mut other, connection) = Tab::sender(&mut storage);
    other.ack(connection, 1);
    settle_heard_by(&mut other, &mut storage, &mut tab);
    let effects = tab.settle(&mut storage);
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
}

fn added(last: u64, rows: u64) -> TabMessage {
    TabMessage::Added {
        last: RowNo(last),
        rows,
        bytes: 8 * rows,
    }
}

/// Lets a second pass, and storage answer.
fn after_a_second(tab: &mut Tab, storage: &mut Storage) -> Vec<Effect> {
    let mut effects = tab.act(|rig| rig.after(1_000, Event::Deadline));
    effects.extend(tab.settle(storage));
    effects
}

#[test]
fn f08_an_end_that_is_told_before_its_row_leaves_no_row_counted() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.hear("p1", acked(1));
    assert!(!tab.rig.client.is_flushed(), "one too few is not none");
    tab.hear("p1", added(1, 1));
    assert_eq!(tab.rig.client.outbox_rows(), 0);
    assert!(tab.rig.client.is_flushed());
}

#[test]
fn f08_rows_whose_ends_are_never_told_are_counted_out_within_a_second() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    let before = tab.rig.client.deadline();
    tab.hear("p1", added(2, 2));
    assert_eq!(tab.rig.client.outbox_rows(), 2);
    after_a_second(&mut tab, &mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
    assert!(tab.rig.client.is_flushed());
    assert_eq!(tab.rig.client.deadline(), before, "nothing more to count");
}

#[test]
fn f08_rows_that_are_never_told_are_counted_in_within_a_second_of_another_notice() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    let mut other = Tab::new();
    for _ in 0..2 {
        other.publish("t", None);
        other.settle(&mut storage);
    }
    tab.hear("p1", added(2, 1));
    after_a_second(&mut tab, &mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 2);
}

#[test]
fn f08_notices_without_a_pause_do_not_put_the_count_off_for_more_than_ten_seconds() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.hear("p1", added(1, 1));
    for n in 2..25 {
        tab.act(|rig| rig.after(500, Event::Deadline));
        tab.settle(&mut storage);
        tab.hear("p1", added(n, 1));
        tab.hear("p1", acked(n));
    }
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn f08_an_own_row_whose_end_is_told_by_nobody_is_asked_for_while_another_client_sends() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.act(|rig| rig.handle(Event::Leader { is_granted: false }));
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    let mut other = Tab::new();
    other.settle(&mut storage);
    tab.hear("p1", added(2, 1));
    let (mut other, elsewhere) = other.connected(&mut storage);
    after_a_second(&mut tab, &mut storage);
    other.ack(elsewhere, 1);
    other.settle(&mut storage);
    // What it told is lost; no other notice comes either.
    let mut effects = Vec::new();
    for _ in 0..2 {
        effects.extend(after_a_second(&mut tab, &mut storage));
    }
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
    assert!(tab.rig.client.is_flushed());
}

#[test]
fn f08_an_end_that_is_told_while_a_transaction_fails_for_want_of_room_counts() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.hear("p1", added(1, 1));
    tab.publish("t", None);
    tab.hear("p1", acked(1));
    tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn f08_a_client_that_begins_to_send_while_the_disk_is_full_finds_what_is_there() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
    tab.answered(StoreAnswer::Failed(StoreFault::Full));
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    assert_eq!(sent(&tab.settle(&mut storage)), ["skip 1 0 t"]);
}

#[test]
fn f08_a_flush_ends_where_a_full_disk_takes_no_end_and_where_a_dead_letter_stops_the_rest() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::with(true).connected(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    tab.act(|rig| rig.record(connection, "nack p1 1 payload_invalid not JSON"));
    tab.settle(&mut storage);
    assert!(tab.rig.client.is_stopped());
    tab.hear("p1", TabMessage::DeadLetterTaken { n: RowNo(1) });
    assert!(!tab.rig.client.is_stopped());
    tab.settle(&mut storage);
    tab.ack(connection, 2);
    tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert!(tab.rig.client.is_flushed(), "nothing waits but a note");
}

fn refused(effects: &[Effect]) -> Vec<(u32, PublishRefusal)> {
    let refused = effects.iter().filter_map(|effect| match effect {
        Effect::PublishRefused { request, why } => Some((*request, *why)),
        _ => None,
    });
    refused.collect()
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
fn f11_a_wipe_whose_end_is_never_told_keeps_publications_from_storage_for_ten_seconds() {
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
fn f11_what_another_tab_saves_before_a_wipe_is_neither_sent_nor_left_behind() {
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
fn f11_what_is_saved_after_a_wipe_stays_where_its_tab_hears_of_the_wipe_only_later() {
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
        // Its post may have been dropped with those of the rows that were wiped.
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
fn f11_what_storage_does_not_have_yet_is_wiped_if_it_was_published_before_the_wipe() {
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
            // They are in memory by now, both at once: only what comes later stays.
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
    // What was on its way then may have been dropped: the hub has the last word.
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
    assert_eq!(settled(&tab.ack(connection, 1)), [(1, "acked".to_owned())]);
}

#[test]
fn f11_what_is_in_memory_beside_storage_is_wiped_too() {
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
fn f11_a_wipe_whose_end_is_never_told_keeps_the_others_from_sending_for_ten_seconds() {
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
    // Saved between the wipe and its end, and wiped with that; the next one comes before storage knows.
    tab.publish("t", Some("k"));
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.wiped(last);
    tab.publish("t", Some("k"));
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 1);
}

#[test]
fn f08_a_row_that_was_given_up_while_the_disk_is_full_is_not_sent_by_who_finds_it_again() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
    tab.answered(StoreAnswer::Failed(StoreFault::Full));
    // It ends elsewhere, and who knows that is killed before it is noted.
    tab.hear("p1", acked(1));
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    let mut effects = tab.act(|rig| rig.handle(Event::Woke));
    effects.extend(tab.act(|rig| rig.handle(Event::Leader { is_granted: true })));
    while let Some(look @ StoreRequest::Load(_)) = tab.asked.take() {
        let (answer, _) = storage.answer(&look, "p1", |_| String::new());
        effects.extend(tab.answered(answer));
    }
    effects.extend(tab.answered(StoreAnswer::Failed(StoreFault::Full)));
    assert_eq!(sent(&effects), ["skip 1 0 t"]);
}
