//! Storage that is full, missing, removed or slow, and when the client tries it again.

use super::*;

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
fn s12_publications_without_storage_are_in_memory_and_report_it() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.publish("t", None);
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    assert_eq!(queued(&effects), [(longhaul::MEMORY_ROWS + 1, false)]);
    let producer = tab.rig.client.memory_producer().to_owned();
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

#[test]
fn a_stored_row_whose_topic_is_no_longer_valid_becomes_a_dead_letter_and_the_others_go_on() {
    let mut storage = Storage::default();
    let mut earlier = Tab::new();
    for topic in ["a/../b", "t"] {
        earlier.publish(topic, None);
        earlier.settle(&mut storage);
    }
    let mut tab = Tab::new();
    let mut effects = tab.settle(&mut storage);
    let connection = ConnectionId(1);
    effects.extend(tab.act(|rig| rig.handle(Event::Opened { connection })));
    effects.extend(tab.act(|rig| rig.record(connection, "welcome s1 1763779200000")));
    assert_eq!(
        settled(&effects),
        [],
        "another tab may lead, and know better"
    );
    let mut effects = tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(settled(&effects), [(1, "topic_invalid".to_owned())]);
    assert_eq!(sent(&effects), ["pub 2 0 t"]);
    effects.extend(tab.ack(connection, 2));
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 0);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}
