//! The outbox in storage: durable before it is accepted, sent by one client, gone with its verdict. The storage is a model.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[allow(unreachable_pub, reason = "it is the simulator's, and public there")]
#[path = "sim/src/storage.rs"]
mod storage;

use common::{EPOCH, Rig};
use longhaul::config::{Config, OutboxLimits};
use longhaul::ids::{ConnectionId, Epoch, RowNo, Seq};
use longhaul::{
    Effect, Event, Notice, Outcome, PublishRefusal, StoreAnswer, StoreFault, StoreRequest,
};
use storage::Storage;

/// A client and what it has asked of storage.
struct Tab {
    rig: Rig,
    asked: Option<StoreRequest>,
}

impl Tab {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(is_pausing: bool) -> Self {
        let config = Config {
            is_durable: true,
            is_pausing,
            outbox: OutboxLimits {
                rows_max: 4,
                bytes_max: 1_000,
            },
            ..Config::default()
        };
        let mut tab = Self {
            rig: Rig::new(&config),
            asked: None,
        };
        tab.act(|rig| rig.handle(Event::Start));
        tab
    }

    /// One that is connected, and the one that sends.
    fn sender(storage: &mut Storage) -> (Self, ConnectionId) {
        Self::new().connected(storage)
    }

    fn connected(self, storage: &mut Storage) -> (Self, ConnectionId) {
        let mut tab = self;
        let connection = ConnectionId(1);
        tab.act(|rig| rig.handle(Event::Opened { connection }));
        tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
        tab.act(|rig| rig.handle(Event::Sender { is_granted: true }));
        tab.settle(storage);
        (tab, connection)
    }

    /// All effects but requests of storage.
    fn act(&mut self, act: impl FnOnce(&mut Rig) -> Vec<Effect>) -> Vec<Effect> {
        let mut others = Vec::new();
        for effect in act(&mut self.rig) {
            if let Effect::Store(request) = effect {
                assert_eq!(self.asked, None, "one at a time, but now also {request:?}");
                self.asked = Some(request);
            } else {
                others.push(effect);
            }
        }
        others
    }

    fn answered(&mut self, answer: StoreAnswer) -> Vec<Effect> {
        self.asked = None;
        self.act(|rig| {
            let machine_ms = rig.now.0;
            rig.handle(Event::Stored { answer, machine_ms })
        })
    }

    /// Storage answers until nothing is asked of it any more.
    fn settle(&mut self, storage: &mut Storage) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(request) = self.asked.take() {
            let (answer, _) = storage.answer(&request, "p1", |call| call.to_string());
            effects.extend(self.answered(answer));
        }
        effects
    }

    fn publish(&mut self, topic: &str, key: Option<&str>) -> Vec<Effect> {
        self.act(|rig| rig.publish_with(topic, None, key))
    }

    fn ack(&mut self, connection: ConnectionId, n: u64) -> Vec<Effect> {
        self.act(|rig| rig.record(connection, &format!("ack p1 {n} {EPOCH} {n} 0")))
    }
}

/// The last records of what goes out: `pub`s without their producer, `until`s left out.
fn sent(effects: &[Effect]) -> Vec<String> {
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.lines().last(),
        _ => None,
    });
    heads
        .map(|head| head.trim_end().replace(" p1 ", " "))
        .collect()
}

fn queued(effects: &[Effect]) -> Vec<(u64, bool)> {
    let queued = effects.iter().filter_map(|effect| match effect {
        Effect::Queued {
            row, is_durable, ..
        } => Some((row.0, *is_durable)),
        _ => None,
    });
    queued.collect()
}

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
    let is_told =
        |effect: &Effect| matches!(effect, Effect::Tell(Notice::Ended { n: RowNo(1), .. }));
    assert!(effects.iter().any(is_told), "{effects:?}");
    tab.settle(&mut storage);
    assert_eq!(storage.rows().count(), 0);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn a_row_that_was_there_when_the_storage_was_opened_counts_once_however_often_it_is_told() {
    let mut storage = Storage::default();
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    let (mut tab, connection) = Tab::sender(&mut storage);
    let late = || Notice::Added {
        last: RowNo(1),
        rows: 1,
        bytes: 10,
    };
    tab.act(|rig| rig.handle(Event::Told(late())));
    assert_eq!(tab.rig.client.outbox_rows(), 1);
    tab.ack(connection, 1);
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn s02_the_next_client_finds_what_is_left_and_sends_it_in_order() {
    let mut storage = Storage::default();
    let mut left = Tab::new();
    for topic in ["a", "b", "a"] {
        left.publish(topic, None);
        left.settle(&mut storage);
    }
    let (mut tab, connection) = Tab::sender(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 3);
    // All of it went out when it was found: a loss has it go out again.
    tab.act(|rig| rig.lose(connection, 1006));
    tab.settle(&mut storage);
    tab.act(Rig::at_deadline);
    let connection = ConnectionId(2);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    let mut effects = tab.act(|rig| rig.handle(Event::Sender { is_granted: true }));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), ["pub 1 0 a", "pub 2 0 b", "pub 3 1 a"]);
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
    tab.act(|rig| rig.handle(Event::Sender { is_granted: true }));
    let effects = tab.settle(&mut storage);
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t"]);
    // It is on its way: the next one is a row of its own.
    tab.publish("t", Some("k"));
    assert_eq!(queued(&tab.settle(&mut storage)), [(3, true)]);
}

#[test]
fn s09_where_storage_is_full_publications_are_refused_and_what_is_there_stays() {
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
fn what_comes_before_storage_is_open_counts_against_its_limits_when_it_is() {
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
fn s12_where_storage_is_lost_publications_are_in_memory_and_say_so() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.publish("t", None);
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    assert_eq!(queued(&effects), [(longhaul::BESIDE + 1, false)]);
    let producer = tab.rig.client.spare_producer().to_owned();
    let effects = tab.act(|rig| rig.record(connection, &format!("ack {producer} 1 {EPOCH} 2 0")));
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Settled { row: RowNo(row), outcome: Outcome::Acked { .. }, .. }] if *row == longhaul::BESIDE + 1
        ),
        "{effects:?}"
    );
    // With the next occasion it is in storage again.
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(2, true)]);
}

#[test]
fn s13_where_storage_was_removed_the_loss_is_told_and_the_next_rows_have_another_identity() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    // The handle is dead, and what is opened next is empty.
    tab.publish("t", None);
    tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    tab.act(|rig| rig.handle(Event::Woke));
    let effects = tab.answered(StoreAnswer::Opened {
        producer: "p2".to_owned(),
        rows: 0,
        bytes: 0,
    });
    assert!(
        effects.contains(&Effect::OutboxLost { rows: 2 }),
        "{effects:?}"
    );
    let lost = effects.iter().filter(|effect| {
        matches!(effect, Effect::Settled { outcome: Outcome::Dead { code, .. }, .. } if code == "outbox_lost")
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
    // It was removed with all that was in it: the publication that waited has its place in the new one.
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
fn s21_a_client_that_storage_is_closed_for_stops_sending_and_makes_way() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let effects = tab.act(|rig| rig.handle(Event::StorageEnded));
    assert_eq!(effects, []);
    assert_eq!(tab.asked, Some(StoreRequest::Open));
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    assert_eq!(effects, [Effect::Sender { is_wanted: false }]);
    let effects = tab.publish("t", None);
    assert_eq!(queued(&effects), [(longhaul::BESIDE + 1, false)]);
    // What was only a dead handle is told of by the next occasion.
    let effects = tab.act(|rig| rig.handle(Event::Woke));
    assert!(
        effects.contains(&Effect::Sender { is_wanted: true }),
        "{effects:?}"
    );
}

#[test]
fn s16_a_refused_row_stops_its_topic_alone_until_its_dead_letter_is_taken_away() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::with(true).connected(&mut storage);
    tab.publish("t", None);
    tab.publish("t", None);
    tab.publish("u", None);
    // A follower is not sent before the verdict.
    assert_eq!(sent(&tab.settle(&mut storage)), ["pub 1 0 t", "pub 3 0 u"]);
    let mut effects = tab.act(|rig| rig.record(connection, "nack p1 1 payload_invalid not JSON"));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    assert_eq!(storage.letters().count(), 1);
    // Others, and those that come later, find it in storage.
    let (mut next, elsewhere) = Tab::with(true).connected(&mut storage);
    next.act(|rig| rig.lose(elsewhere, 1006));
    next.settle(&mut storage);
    next.act(Rig::at_deadline);
    let connection = ConnectionId(2);
    next.act(|rig| rig.handle(Event::Opened { connection }));
    next.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    next.act(|rig| rig.handle(Event::Sender { is_granted: true }));
    assert_eq!(sent(&next.settle(&mut storage)), ["pub 3 0 u"]);
    let taken = Notice::Taken { n: RowNo(1) };
    let mut effects = next.act(|rig| rig.handle(Event::Told(taken)));
    effects.extend(next.settle(&mut storage));
    assert_eq!(sent(&effects), ["pub 2 0 t"]);
}

#[test]
fn s16_what_expired_or_was_given_up_stops_no_topic() {
    for code in ["expired", "discarded"] {
        let mut storage = Storage::default();
        let (mut tab, connection) = Tab::with(true).connected(&mut storage);
        tab.publish("t", None);
        tab.publish("t", None);
        tab.settle(&mut storage);
        if code == "discarded" {
            tab.act(|rig| rig.handle(Event::GiveUp { n: RowNo(1) }));
            tab.settle(&mut storage);
        }
        let mut effects = tab.act(|rig| rig.record(connection, "nack p1 1 expired too late"));
        effects.extend(tab.settle(&mut storage));
        assert_eq!(sent(&effects), ["pub 2 0 t"], "{code}");
    }
}

#[test]
fn s23_a_page_that_goes_to_sleep_begins_no_transaction_but_for_what_is_published() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    // It was sent in vain, which is to be noted some day.
    tab.act(|rig| rig.handle(Event::Suspend));
    assert_eq!(tab.asked, None);
    tab.publish("t", None);
    assert_eq!(queued(&tab.settle(&mut storage)), [(2, true)]);
    tab.act(|rig| rig.handle(Event::Woke));
    assert!(tab.asked.is_some());
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
            Effect::Settled {
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
fn s15_rows_say_until_when_they_count_by_the_hubs_clock_however_late_it_is_known() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    // The machine's clock is 1,763,778,200,000 ms behind the hub's, and nobody knows yet.
    tab.act(|rig| rig.publish_with("t", Some(5_000), None));
    tab.settle(&mut storage);
    tab.rig.now = tab.rig.now.plus(1_000);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Sender { is_granted: true }));
    let effects = tab.settle(&mut storage);
    let heads: Vec<&String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::SendPublication { head, .. } => Some(head),
            _ => None,
        })
        .collect();
    assert_eq!(heads, ["until 1763779204000\npub p1 1 0 t "]);
}

#[test]
fn a_row_that_is_given_up_is_skipped_and_its_followers_go_on() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    tab.act(|rig| rig.handle(Event::GiveUp { n: RowNo(1) }));
    tab.settle(&mut storage);
    let (mut next, connection) = Tab::sender(&mut storage);
    next.act(|rig| rig.lose(connection, 1006));
    next.settle(&mut storage);
    next.act(Rig::at_deadline);
    let connection = ConnectionId(2);
    next.act(|rig| rig.handle(Event::Opened { connection }));
    next.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    next.act(|rig| rig.handle(Event::Sender { is_granted: true }));
    let effects = next.settle(&mut storage);
    assert_eq!(sent(&effects), ["skip 1 0 t", "pub 2 1 t"]);
    let effects = next.act(|rig| rig.record(connection, "nack p1 1 expired given up"));
    assert!(
        effects.iter().any(|effect| matches!(
            effect,
            Effect::Settled { outcome: Outcome::Dead { code, .. }, .. } if code == "discarded"
        )),
        "{effects:?}"
    );
    next.settle(&mut storage);
    assert_eq!((storage.rows().count(), storage.letters().count()), (1, 0));
}

/// What became of rows, as this tab is told.
fn settled(effects: &[Effect]) -> Vec<(u64, String)> {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settled { row, outcome, .. } => Some((
            row.0,
            match outcome {
                Outcome::Acked { .. } => "acked".to_owned(),
                Outcome::Dead { code, .. } => code.clone(),
            },
        )),
        _ => None,
    });
    settled.collect()
}

fn acked(n: u64) -> Notice {
    Notice::Ended {
        n: RowNo(n),
        attempts: 1,
        bytes: 8,
        outcome: Outcome::Acked {
            epoch: Epoch(1),
            seq: Seq(n),
            duplicate: false,
        },
    }
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
        Effect::Tell(notice) => Some(notice.clone()),
        _ => None,
    });
    tab.act(|rig| rig.handle(Event::Told(told.unwrap())));
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
    tab.act(|rig| rig.handle(Event::Told(acked(1))));
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

#[test]
fn a_look_that_began_before_the_page_slept_tells_nothing_of_what_is_there_now() {
    let mut storage = Storage::default();
    let (mut tab, _) = Tab::sender(&mut storage);
    let mut other = Tab::new();
    other.publish("t", None);
    other.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::Sender { is_granted: true }));
    tab.settle(&mut storage);
    // It is behind, and looks for what is new; then it sleeps.
    other.publish("t", None);
    other.settle(&mut storage);
    let added = Notice::Added {
        last: RowNo(2),
        rows: 1,
        bytes: 8,
    };
    tab.act(|rig| rig.handle(Event::Told(added)));
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    // The answer to the first look names what is new only, which is not all that there is.
    assert_eq!(tab.rig.client.outbox_rows(), 2);
}

#[test]
fn a_notice_that_got_lost_or_comes_twice_is_put_right_by_a_look_into_storage() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    let added = Notice::Added {
        last: RowNo(1),
        rows: 1,
        bytes: 8,
    };
    for _ in 0..2 {
        let added = added.clone();
        tab.act(|rig| rig.handle(Event::Told(added)));
    }
    assert_eq!(tab.rig.client.outbox_rows(), 2);
    tab.act(|rig| rig.handle(Event::Woke));
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn s12_a_verdict_that_storage_could_not_note_is_noted_when_it_is_back_and_nothing_is_sent_again() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::sender(&mut storage);
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.ack(connection, 1);
    tab.answered(StoreAnswer::Failed(StoreFault::Lost));
    let mut effects = tab.act(|rig| rig.handle(Event::Woke));
    effects.extend(tab.act(|rig| rig.handle(Event::Sender { is_granted: true })));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(sent(&effects), [""; 0]);
    assert_eq!(storage.rows().count(), 0);
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
    let marks = tab.answered(answer);
    assert_eq!(sent(&marks), [""; 0]);
    other.act(|rig| rig.publish_with("t", Some(9_000), Some("k")));
    other.settle(&mut storage);
    let untils: Vec<longhaul::Until> = storage.rows().map(|kept| kept.row.until).collect();
    let effects = tab.settle(&mut storage);
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.lines().next(),
        _ => None,
    });
    let wanted = match untils.as_slice() {
        [longhaul::Until::Hub(ms)] => format!("until {ms}"),
        [longhaul::Until::Machine(ms)] => {
            format!("until {}", ms + 1_763_779_200_000 - tab.rig.now.0)
        }
        others => panic!("{others:?}"),
    };
    assert_eq!(heads.collect::<Vec<_>>(), [wanted]);
}

#[test]
fn s09_where_storage_is_full_what_is_to_be_noted_is_tried_again_after_a_rest() {
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
    tab.act(|rig| rig.handle(Event::Told(Notice::Wiped)));
    storage.wipe();
    tab.answered(answer);
    tab.settle(&mut storage);
    assert_eq!(tab.rig.client.outbox_rows(), 0);
}

#[test]
fn a_row_that_was_given_up_and_then_lost_with_storage_is_lost() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::GiveUp { n: RowNo(1) }));
    tab.settle(&mut storage);
    tab.act(|rig| rig.handle(Event::StorageEnded));
    let (answer, _) = Storage::default().answer(&StoreRequest::Open, "p2", |_| String::new());
    let effects = tab.answered(answer);
    assert_eq!(settled(&effects), [(1, "outbox_lost".to_owned())]);
}
