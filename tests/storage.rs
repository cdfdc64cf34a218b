//! Tests the durable outbox: rows are in storage before they are accepted, one client sends them,
//! and a verdict removes them. The storage is a model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/tab.rs"]
mod tab;

use common::{EPOCH, Rig};
use longhaul::ids::{ConnectionId, RowNo};
use longhaul::{
    Effect, Event, Outcome, PublishRefusal, StoreAnswer, StoreFault, StoreRequest, TabMessage,
};
use tab::{Storage, Tab, queued, sent, settled};

#[test]
fn i1_a_publication_has_its_row_when_its_transaction_is_complete_and_is_not_sent_before() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    assert_eq!(tab.publish("t", None), []);
    let effects = tab.settle(&mut storage);
    assert_eq!(queued(&effects), [(1, true)]);
    assert_eq!(sent(&effects), ["pub 1 0 t"]);
}

#[test]
fn publications_that_come_while_storage_is_busy_share_its_next_transaction() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    for _ in 0..4 {
        tab.publish("t", None);
    }
    let first = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&first, "p1", |_| String::new());
    tab.answered(answer);
    let Some(StoreRequest::Commit(batch)) = &tab.asked else {
        panic!("{:?}", tab.asked);
    };
    assert_eq!(batch.saves.len(), 3);
}

#[test]
fn i3_a_row_leaves_storage_with_its_verdict_and_the_others_are_told() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    let effects = tab.ack(connection, 1);
    assert_eq!(storage.rows().count(), 1);
    let is_told = |effect: &Effect| matches!(effect, Effect::SendTabMessage { producer, tab_message: TabMessage::Ended { n: RowNo(1), .. } } if producer == "p1");
    assert!(effects.iter().any(is_told), "{effects:?}");
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 0);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn s02_the_next_client_finds_the_remaining_rows_and_sends_them_in_order() {
    let mut storage = Storage::default();
    let mut left = Tab::new();
    for topic in ["a", "b", "a"] {
        left.publish(topic, None);
        left.settle(&mut storage);
    }
    let (mut tab, connection) = Tab::sender(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 3);
    // The client sent all rows when it found them, and sends them again after a lost connection.
    tab.act(|rig| rig.lose(connection, 1006));
    tab.settle(&mut storage);
    tab.act(Rig::at_deadline);
    let connection = ConnectionId(2);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    let mut effects = tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), ["pub 1 0 a", "pub 2 0 b", "pub 3 1 a"]);
}

#[test]
fn a_key_takes_the_place_of_a_row_until_that_is_about_to_be_sent() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.publish("t", Some("k"));
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.publish("t", Some("k"));
    assert_eq!(queued(&tab.settle(&mut storage)), [(1, true)]);
    assert_eq!(tab.rig.client.outbox_rows(), 2);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    let effects = tab.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
    // The row is on its way, so the next publication gets its own row.
    tab.publish("t", Some("k"));
    assert_eq!(queued(&tab.settle(&mut storage)), [(3, true)]);
}

#[test]
fn s09_full_storage_refuses_publications_and_keeps_its_rows() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.publish("t", None);
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::PublishRefused {
                why: PublishRefusal::StorageFull,
                ..
            }]
        ),
        "{effects:?}"
    );
    assert_eq!(storage.rows().count(), 1);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(2, true)]);
}

#[test]
fn the_outbox_counts_the_rows_of_all_its_clients_against_its_limits() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    for _ in 0..3 {
        other.publish("t", None);
        other.settle(&mut storage);
    }
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.publish("t", None);
    let effects = tab.publish("t", None);
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::PublishRefused {
                why: PublishRefusal::OutboxFull,
                ..
            }]
        ),
        "{effects:?}"
    );
    assert_eq!(queued(&tab.settle(&mut storage)), [(4, true)]);
}

#[test]
fn publications_before_storage_opens_count_against_its_limits() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    for _ in 0..3 {
        other.publish("t", None);
        other.settle(&mut storage);
    }
    let mut tab = Tab::new();
    assert_eq!(tab.publish("t", None), []);
    assert_eq!(tab.publish("t", None), []);
    let effects = tab.settle(&mut storage);
    let is_refused = |effect: &&Effect| {
        let why = PublishRefusal::OutboxFull;
        matches!(effect, Effect::PublishRefused { why: found, .. } if *found == why)
    };
    assert_eq!(effects.iter().filter(is_refused).count(), 1, "{effects:?}");
    assert_eq!(queued(&effects), [(4, true)]);
}

#[test]
fn s12_publications_without_storage_are_in_memory_and_report_it() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.publish("t", None);
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    assert_eq!(queued(&effects), [(longhaul::MEMORY_ROWS + 1, false)]);
    let producer = tab.rig.client.spare_producer().to_owned();
    let effects = tab.act(|rig| rig.record(connection, &format!("ack {producer} 1 {EPOCH} 2 0")));
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Outcome { row: RowNo(row), outcome: Outcome::Acked { .. }, .. }] if *row == longhaul::MEMORY_ROWS + 1
        ),
        "{effects:?}"
    );
    // The next wake brings storage back.
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(2, true)]);
}

#[test]
fn s13_the_client_reports_removed_storage_and_the_next_rows_have_another_identity() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    // The handle is dead, and the next open finds an empty database.
    tab.publish("t", None);
    tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    tab.act(|rig| rig.handle(Event::Woke));
    let effects = tab.answered(StoreAnswer::Opened {
        producer: "p2".to_owned(),
        rows: 0,
        bytes: 0,
        formers: Vec::new(),
    });
    assert!(
        effects.contains(&Effect::OutboxLost { rows: 2 }),
        "{effects:?}"
    );
    let lost = effects.iter().filter(|effect| {
        matches!(effect, Effect::Outcome { outcome: Outcome::Dead { code, .. }, .. } if code == "outbox_lost")
    });
    assert_eq!(lost.count(), 2);
    assert_eq!(tab.rig.client.producer(), "p2");
}

#[test]
fn s13_a_handle_that_died_is_opened_again_before_anything_is_written_under_its_identity() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.publish("t", None);
    tab.answered(StoreAnswer::Failed(StoreFault::Closed));
    assert_eq!(tab.asked, Some(StoreRequest::Open));
    // The browser removed the database with its rows. The waiting publication gets a row in the new
    // one.
    let mut empty = Storage::default();
    tab.asked = None;
    let (answer, _) = empty.answer(&StoreRequest::Open, "p2", |_| String::new());
    let effects = tab.answered(answer);
    assert!(effects.contains(&Effect::OutboxLost { rows: 1 }));
    let effects = tab.settle(&mut empty);
    assert_eq!(queued(&effects), [(1, true)]);
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.lines().last(),
        _ => None,
    });
    assert_eq!(heads.collect::<Vec<_>>(), ["pub p2 1 0 t "]);
    assert_eq!(
        tab.ack(connection, 1),
        [],
        "the ack of the one that is gone"
    );
}

#[test]
fn s21_a_client_without_storage_stops_leading() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let effects = tab.act(|rig| rig.handle(Event::StorageEnded));
    assert_eq!(effects, []);
    assert_eq!(tab.asked, Some(StoreRequest::Open));
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    assert_eq!(effects, [Effect::Leader { is_wanted: false }]);
    let effects = tab.publish("t", None);
    assert_eq!(queued(&effects), [(longhaul::MEMORY_ROWS + 1, false)]);
    // If only the handle was dead, the next wake shows it.
    let effects = tab.act(|rig| rig.handle(Event::Woke));
    assert!(
        effects.contains(&Effect::Leader { is_wanted: true }),
        "{effects:?}"
    );
}

#[test]
fn s12_storage_that_failed_is_tried_again_after_pauses_that_grow_to_a_minute() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::StorageEnded));
    for pause_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        assert_eq!(tab.asked, Some(StoreRequest::Open));
        tab.answered(StoreAnswer::Failed(StoreFault::Lost));
        tab.act(|rig| rig.after(pause_ms - 1, Event::Deadline));
        assert_eq!(tab.asked, None);
        tab.act(|rig| rig.after(1, Event::Deadline));
    }
    // Publications stay in memory until storage is back.
    let kept = queued(&tab.publish("t", None));
    assert_eq!(kept, [(longhaul::MEMORY_ROWS + 1, false)]);
    tab.settle(&mut storage);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(1, true)]);
    // The next failure begins with the first pause again.
    tab.act(|rig| rig.handle(Event::StorageEnded));
    tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    tab.act(|rig| rig.after(1_000, Event::Deadline));
    assert_eq!(tab.asked, Some(StoreRequest::Open));
}

#[test]
fn s16_a_refused_row_pauses_only_its_topic_until_its_dead_letter_is_taken() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::with(true).connected(&mut storage);
    tab.publish("t", None);
    tab.publish("t", None);
    tab.publish("u", None);
    // The next row of the topic waits for the verdict.
    assert_eq!(sent(&tab.settle(&mut storage)), ["pub 1 0 t", "pub 3 0 u"]);
    let mut effects = tab.act(|rig| rig.record(connection, "nack p1 1 payload_invalid not JSON"));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    assert_eq!(storage.letters().count(), 1);
    // Other clients, later ones too, find the dead letter in storage.
    let (mut next, elsewhere) = Tab::with(true).connected(&mut storage);
    next.act(|rig| rig.lose(elsewhere, 1006));
    next.settle(&mut storage);
    next.act(Rig::at_deadline);
    let connection = ConnectionId(2);
    next.act(|rig| rig.handle(Event::Opened { connection }));
    next.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    next.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    assert_eq!(sent(&next.settle(&mut storage)), ["pub 3 0 u"]);
    let taken = TabMessage::DeadLetterTaken { n: RowNo(1) };
    let mut effects = next.hear("p1", taken);
    effects.extend(next.settle(&mut storage));
    assert_eq!(sent(&effects), ["pub 2 0 t"]);
}

#[test]
fn s16_an_expired_or_cancelled_row_pauses_no_topic() {
    for code in ["expired", "discarded"] {
        let mut storage = Storage::default();
        let (mut tab, connection) = Tab::with(true).connected(&mut storage);
        tab.publish("t", None);
        tab.publish("t", None);
        tab.settle(&mut storage);
        if code == "discarded" {
            tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
            tab.settle(&mut storage);
        }
        let mut effects = tab.act(|rig| rig.record(connection, "nack p1 1 expired too late"));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(sent(&effects), ["pub 2 0 t"], "{code}");
    }
}

#[test]
fn s23_a_page_that_goes_to_sleep_begins_transactions_only_for_publications() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    // The attempt is not stored yet, and can wait.
    tab.act(|rig| rig.handle(Event::Suspend));
    assert_eq!(tab.asked, None);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(2, true)]);
    tab.act(|rig| rig.handle(Event::Woke));
    assert!(tab.asked.is_some());
}

#[test]
fn s15_rows_say_until_when_they_count_by_the_hubs_clock_however_late_it_is_known() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    // The machine's clock is 1,763,778,200,000 ms behind the hub's, and no client knows that yet.
    tab.act(|rig| rig.publish_with("t", Some(5_000), None));
    tab.settle(&mut storage);
    tab.rig.now = tab.rig.now.plus(1_000);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    let effects = tab.settle(&mut storage);
    let heads: Vec<&String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::SendPublication { head, .. } => Some(head),
            _ => None,
        })
        .collect();
    let tag = storage.rows().next().unwrap().row.tag;
    let expected = format!("until 1763779204000 tag={tag}\npub p1 1 0 t ");
    assert_eq!(heads, [&expected]);
}

#[test]
fn a_cancelled_row_is_skipped_and_its_followers_go_on() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
    tab.settle(&mut storage);
    let (mut next, connection) = Tab::sender(&mut storage);
    next.act(|rig| rig.lose(connection, 1006));
    next.settle(&mut storage);
    next.act(Rig::at_deadline);
    let connection = ConnectionId(2);
    next.act(|rig| rig.handle(Event::Opened { connection }));
    next.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    next.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    let effects = next.settle(&mut storage);
    assert_eq!(sent(&effects), ["skip 1 0 t", "pub 2 1 t"]);
    let effects = next.act(|rig| rig.record(connection, "nack p1 1 expired given up"));
    assert!(
        effects.iter().any(|effect| matches!(
            effect,
            Effect::Outcome { outcome: Outcome::Dead { code, .. }, .. } if code == "discarded"
        )),
        "{effects:?}"
    );
    next.settle(&mut storage);
    assert_eq!((storage.rows().count(), storage.letters().count()), (1, 0));
}

#[test]
fn s12_storage_gets_a_missed_verdict_when_it_is_back_and_nothing_is_sent_again() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.ack(connection, 1);
    tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    let mut effects = tab.act(|rig| rig.handle(Event::Woke));
    effects.extend(tab.act(|rig| rig.handle(Event::Leader { is_granted: true })));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    assert_eq!(storage.rows().count(), 0);
}

#[test]
fn s09_full_storage_gets_outcomes_again_after_a_pause() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.ack(connection, 1);
    tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert_eq!(tab.asked, None, "no room is made that fast");
    tab.act(Rig::at_deadline);
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 0);
}

#[test]
fn a_cancelled_row_that_is_lost_with_storage_is_lost() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::StorageEnded));
    let (answer, _) = Storage::default().answer(&StoreRequest::Open, "p2", |_| String::new());
    let effects = tab.answered(answer);
    assert_eq!(settled(&effects), [(1, "outbox_lost".to_owned())]);
}

#[test]
fn a_client_that_is_closed_while_a_transaction_is_under_way_saves_nothing_more() {
    for answer in [None, Some(StoreAnswer::Failed(StoreFault::Closed))] {
        let mut storage = Storage::default();
        let mut tab = Tab::new();
        tab.settle(&mut storage);
        tab.publish("t", None);
        let under_way = tab.asked.take().unwrap();
        tab.publish("t", None);
        let refused = |effects: &[Effect]| {
            let refused = effects.iter().filter(|effect| {
                let why = PublishRefusal::Closed;
                matches!(effect, Effect::PublishRefused { why: other, .. } if *other == why)
            });
            refused.count()
        };
        let closed = tab.act(|rig| rig.handle(Event::Close));
        assert_eq!(refused(&closed), 1, "the call that had to wait");
        let has_failed = answer.is_some();
        let answer =
            answer.unwrap_or_else(|| storage.answer(&under_way, "p1", |_| String::new()).0);
        let mut effects = tab.answered(answer);
        effects.extend(tab.settle(&mut storage));
        assert_eq!(refused(&effects), usize::from(has_failed));
        assert_eq!(storage.rows().count(), usize::from(!has_failed));
    }
}

#[test]
fn f15_repeated_batches_on_a_full_disk_contain_each_update_once() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    for key in ["a", "b", "c"] {
        tab.publish("t", Some(key));
        tab.settle(&mut storage);
    }
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    if let Some(query @ StoreRequest::Load(_)) = tab.asked.take() {
        let (answer, _) = storage.answer(&query, "p1", |_| String::new());
        tab.answered(answer);
    }
    for _ in 0..5 {
        let Some(StoreRequest::Commit(batch)) = &tab.asked else {
            panic!("{:?}", tab.asked);
        };
        assert_eq!(batch.updates.len(), 3);
        tab.answered(StoreAnswer::Failed(StoreFault::Full));
        assert!(tab.rig.client.is_stopped(), "for a flush");
        tab.act(Rig::at_deadline);
    }
    let effects = tab.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t", "pub 3 2 t"]);
}

/// Returns the end of the time to live of each row that goes out.
fn untils(effects: &[Effect]) -> Vec<u64> {
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.strip_prefix("until "),
        _ => None,
    });
    heads
        .map(|head| head.split_whitespace().next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn f10_the_machines_clock_takes_no_time_from_a_row_saved_before_the_first_welcome() {
    let hub_ms = 1_763_779_200_000;
    let mut storage = Storage::default();
    let mut left = Tab::new();
    left.act(|rig| rig.publish_with("t", Some(5_000), None));
    left.settle(&mut storage);
    // The next page counts from its load of the row, whatever the machine's clock shows.
    let mut tab = Tab::new();
    tab.rig.now = tab.rig.now.plus(10 * 86_400_000);
    tab.settle(&mut storage);
    tab.rig.now = tab.rig.now.plus(2_000);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    let mut effects = tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(untils(&effects), [hub_ms + 3_000]);
    // Storage had the end of the time to live before the row was sent, so the next page can't
    // extend it.
    let until = storage.rows().next().unwrap().row.until;
    assert_eq!(until, longhaul::Until::Hub(hub_ms + 3_000));
}

#[test]
fn f10_a_row_is_sent_once_storage_knows_its_time_or_is_full() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    let query = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&query, "p1", |_| String::new());
    assert_eq!(sent(&tab.answered(answer)), [""; 0]);
    let Some(StoreRequest::Commit(batch)) = &tab.asked else {
        panic!("{:?}", tab.asked);
    };
    assert!(batch.updates[0].counts_from_ms.is_some());
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert_eq!(sent(&effects), ["pub 1 0 t"]);
}
