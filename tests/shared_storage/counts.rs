//! Counts of rows: tab messages may be late, lost or repeated, and storage has the truth.

use super::*;

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
    // It looks for the row, hears of its end, and loses the connection that it would have sent it
    // over.
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
    // Another tab has the storage that was made when this one's was removed, or has not heard of
    // that yet.
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
