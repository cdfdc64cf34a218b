//! Counts of rows: tab messages may be late, lost or repeated, and storage has the truth.

use super::*;

#[test]
fn a_row_that_ends_during_the_leaders_load_query_is_not_counted() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    let added = TabMessage::Added {
        last: RowNo(1),
        rows: 1,
        bytes: 8,
    };
    tab.hear("p1", added);
    // While it loads the row, it receives the outcome and loses its connection.
    tab.hear("p1", acked(1));
    tab.act(|rig| rig.lose(connection, 1006));
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn only_the_leader_counts_a_stored_row_with_a_reported_outcome() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    other.settle(&mut storage);
    other.publish("t", None);
    other.settle(&mut storage);
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 1);
    // Another client has the verdict, but has not stored it when this one loads.
    tab.hear("p1", acked(1));
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
    // That client was killed before it stored the verdict, so the next leader finds the row.
    let (tab, _) = tab.connected(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 1);
}

#[test]
fn a_load_query_corrects_the_count_after_a_lost_or_repeated_tab_message() {
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
fn both_publishers_under_a_key_learn_of_its_row() {
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
    // It learns of the row only from storage.
    first.act(|rig| rig.handle(Event::Woke));
    let effects = first.settle(&mut storage);
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
}

#[test]
fn a_replacement_of_a_row_has_its_own_time_to_live() {
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
fn s13_a_client_ignores_tab_messages_about_another_storage() {
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
    // Another tab uses the storage that replaced this tab's removed one, or doesn't know of the
    // removal yet.
    for tab_message in [acked(1), TabMessage::Cancelled { n: RowNo(1) }, added] {
        assert_eq!(tab.hear("p2", tab_message), []);
    }
    assert_eq!(tab.rig.client.outbox_rows(), 1);
    let (mut tab, connection) = tab.connected(&mut storage);
    let effects = tab.act(|rig| rig.record(connection, "nack p1 1 payload_invalid not JSON"));
    assert_eq!(settled(&effects), [(1, "payload_invalid".to_owned())]);
    tab.settle(&mut storage);
    tab.publish("t", None);
    // Its dead letter still pauses the topic, whatever became of the other storage's.
    let mut effects = tab.hear("p2", TabMessage::DeadLetterTaken { n: RowNo(1) });
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    let effects = tab.hear("p1", TabMessage::DeadLetterTaken { n: RowNo(1) });
    assert_eq!(sent(&effects), ["pub 2 0 t"]);
}

#[test]
fn s24_a_tab_that_opens_before_an_outcome_is_stored_counts_no_row_too_many() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    // The outcome is sent at once, before the other tab exists.
    tab.ack(connection, 1);
    let mut late = Tab::new();
    late.settle(&mut storage);
    assert_eq!(late.rig.client.outbox_rows(), 2);
    settle_heard_by(&mut tab, &mut storage, &mut late);
    assert_eq!(late.rig.client.outbox_rows(), 1);
    // Or the outcome is sent while the tab loads.
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
fn s24_a_client_that_missed_an_outcome_reads_it_from_storage() {
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

#[test]
fn f08_an_outcome_that_arrives_before_its_row_leaves_no_row_counted() {
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
fn f08_rows_with_unreported_outcomes_leave_the_count_within_a_second() {
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
fn f08_unreported_rows_enter_the_count_within_a_second_of_another_tab_message() {
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
fn f08_tab_messages_without_a_pause_delay_the_count_by_at_most_ten_seconds() {
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
fn f08_a_client_asks_for_an_unreported_outcome_while_another_one_leads() {
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
    // Its tab messages get lost, and no other one arrives.
    let mut effects = Vec::new();
    for _ in 0..2 {
        effects.extend(after_a_second(&mut tab, &mut storage));
    }
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
    assert!(tab.rig.client.is_flushed());
}

#[test]
fn f08_an_outcome_that_arrives_while_a_transaction_fails_on_a_full_disk_counts() {
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
fn f08_a_new_leader_finds_the_stored_rows_while_the_disk_is_full() {
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
fn f08_a_flush_ends_if_the_disk_is_full_or_a_dead_letter_pauses_the_topic() {
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

#[test]
fn f08_a_row_that_was_cancelled_on_a_full_disk_is_skipped_when_it_is_found_again() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Cancel { n: RowNo(1) }));
    tab.answered(StoreAnswer::Failed(StoreFault::Full));
    // Another client has the outcome, and is killed before it is stored.
    tab.hear("p1", acked(1));
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    let mut effects = tab.act(|rig| rig.handle(Event::Woke));
    effects.extend(tab.act(|rig| rig.handle(Event::Leader { is_granted: true })));
    while let Some(query @ StoreRequest::Load(_)) = tab.asked.take() {
        let (answer, _) = storage.answer(&query, "p1", |_| String::new());
        effects.extend(tab.answered(answer));
    }
    effects.extend(tab.answered(StoreAnswer::Failed(StoreFault::Full)));
    assert_eq!(sent(&effects), ["skip 1 0 t"]);
}
