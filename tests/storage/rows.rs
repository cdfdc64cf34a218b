//! Rows from the call of `publish` to the verdict: transactions, order, keys, limits, pauses.

use super::*;

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
