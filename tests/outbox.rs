//! Tests publications: the client keeps them until the hub's verdict, and sends them again after a
//! reconnect, in order within a topic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{EPOCH, Rig, sent};
use longhaul::config::{Config, Inherited, OutboxLimits, WINDOW_ROWS_MAX};
use longhaul::ids::{ConnectionId, RowNo};
use longhaul::wire::Kind;
use longhaul::{Effect, Event, Outcome, Publication, PublishRefusal};

fn ack(rig: &mut Rig, connection: ConnectionId, n: u64) -> Vec<Effect> {
    let producer = rig.client.producer().to_owned();
    rig.record(connection, &format!("ack {producer} {n} {EPOCH} {n} 0"))
}

fn nack(rig: &mut Rig, connection: ConnectionId, n: u64, code: &str) -> Vec<Effect> {
    let producer = rig.client.producer().to_owned();
    rig.record(connection, &format!("nack {producer} {n} {code} because"))
}

/// Returns `n prev topic` of each publication that goes out.
fn heads(effects: &[Effect]) -> Vec<String> {
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => {
            Some(head.trim_end().splitn(3, ' ').nth(2).unwrap().to_owned())
        }
        _ => None,
    });
    heads.collect()
}

#[test]
fn c6_prev_names_the_row_before_in_the_topic_while_that_has_no_verdict() {
    let (mut rig, connection) = Rig::connected();
    assert_eq!(heads(&rig.publish("a")), ["1 0 a"]);
    assert_eq!(heads(&rig.publish("b")), ["2 0 b"]);
    assert_eq!(heads(&rig.publish("a")), ["3 1 a"]);
    ack(&mut rig, connection, 1);
    ack(&mut rig, connection, 3);
    assert_eq!(heads(&rig.publish("a")), ["4 0 a"]);
}

#[test]
fn s04_publications_without_a_verdict_are_sent_again_in_order_after_a_reconnect() {
    let (mut rig, connection) = Rig::connected();
    for topic in ["a", "b", "a"] {
        rig.publish(topic);
    }
    ack(&mut rig, connection, 1);
    rig.lose(connection, 1006);
    rig.at_deadline();
    let connection = ConnectionId(2);
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert_eq!(heads(&effects), ["2 0 b", "3 0 a"]);
    let producer = rig.client.producer().to_owned();
    let effects = rig.record(connection, &format!("ack {producer} 3 {EPOCH} 9 1"));
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Outcome {
                row: RowNo(3),
                attempts: 2,
                outcome: Outcome::Acked {
                    duplicate: true,
                    ..
                }
            }]
        ),
        "{effects:?}"
    );
    assert_eq!(rig.client.metrics(rig.now).retries, 2);
    assert_eq!(rig.client.outbox_rows(), 1);
}

#[test]
fn c8_the_window_bounds_unacked_publications_and_an_ack_makes_room() {
    let (mut rig, connection) = Rig::connected();
    let mut sent = 0;
    for _ in 0..WINDOW_ROWS_MAX + 10 {
        sent += heads(&rig.publish("a")).len();
    }
    assert_eq!(sent, WINDOW_ROWS_MAX);
    assert_eq!(heads(&ack(&mut rig, connection, 1)), ["257 256 a"]);
}

#[test]
fn c8_a_payload_larger_than_the_whole_window_still_goes_alone() {
    let (mut rig, connection) = Rig::connected();
    rig.lose(connection, 1006);
    rig.at_deadline();
    let connection = ConnectionId(2);
    rig.handle(Event::Opened { connection });
    rig.record(connection, "welcome s1 1 payload=10000000");
    let mut publish = |request| {
        rig.handle(Event::Publish(Publication {
            kind: Kind::Message,
            request,
            topic: "a",
            bytes: 1_000_000,
            ttl_ms: None,
            machine_ms: 0,
            key: None,
            is_repeated: false,
        }))
    };
    assert_eq!(heads(&publish(1)), ["1 0 a"]);
    assert_eq!(heads(&publish(2)), [""; 0]);
    assert_eq!(heads(&ack(&mut rig, connection, 1)), ["2 0 a"]);
}

#[test]
fn h9_out_of_order_sends_again_once_and_is_no_verdict() {
    let (mut rig, connection) = Rig::connected();
    rig.publish("a");
    rig.publish("a");
    assert_eq!(
        heads(&nack(&mut rig, connection, 2, "out_of_order")),
        ["2 1 a"]
    );
    ack(&mut rig, connection, 1);
    assert_eq!(
        heads(&nack(&mut rig, connection, 2, "out_of_order")),
        ["2 0 a"]
    );
    assert_eq!(rig.client.outbox_rows(), 1);
}

#[test]
fn h9_busy_pauses_and_then_sends_again() {
    let (mut rig, connection) = Rig::connected();
    rig.publish("a");
    assert_eq!(heads(&nack(&mut rig, connection, 1, "busy")), [""; 0]);
    let pause = rig.client.deadline().unwrap().since(rig.now);
    assert!((500..=1_000).contains(&pause), "{pause}");
    assert_eq!(heads(&rig.at_deadline()), ["1 0 a"]);
}

#[test]
fn a_nack_that_comes_twice_counts_once() {
    let (mut rig, connection) = Rig::connected();
    rig.publish("a");
    nack(&mut rig, connection, 1, "busy");
    nack(&mut rig, connection, 1, "busy");
    assert_eq!(heads(&rig.at_deadline()), ["1 0 a"]);
}

#[test]
fn s08_rows_sent_into_a_half_open_connection_go_out_again_on_the_next() {
    let (mut rig, _) = Rig::connected();
    for _ in 0..20 {
        rig.publish("a");
    }
    let cut = rig.now;
    while rig.client.metrics(rig.now).missed_heartbeats == 0 {
        rig.at_deadline();
    }
    assert!(rig.now.since(cut) <= 45_000, "found in time");
    rig.at_deadline();
    let connection = ConnectionId(2);
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert_eq!(heads(&effects).len(), 20);
}

#[test]
fn s16_a_row_that_the_hub_refuses_for_good_dies_with_its_reason_and_the_next_goes_on() {
    let (mut rig, connection) = Rig::connected();
    rig.publish("a");
    rig.publish("a");
    let effects = nack(&mut rig, connection, 1, "payload_invalid");
    let dead = Outcome::Dead {
        code: "payload_invalid".to_owned(),
        message: "because".to_owned(),
    };
    let settled = Effect::Outcome {
        row: RowNo(1),
        attempts: 1,
        outcome: dead,
    };
    assert_eq!(effects, [settled]);
    assert_eq!(heads(&rig.publish("a")), ["3 2 a"]);
}

#[test]
fn a_verdict_for_another_producer_or_an_unknown_row_changes_nothing() {
    let (mut rig, connection) = Rig::connected();
    rig.publish("a");
    assert_eq!(
        rig.record(connection, &format!("ack other 1 {EPOCH} 1 0")),
        []
    );
    assert_eq!(ack(&mut rig, connection, 9), []);
    assert_eq!(rig.client.outbox_rows(), 1);
}

#[test]
fn a_cancelled_memory_row_ends_at_once_or_with_the_hubs_verdict_if_it_was_sent() {
    let mut rig = Rig::new(&Config::default());
    rig.publish("a");
    rig.publish("a");
    let effects = rig.handle(Event::Cancel { n: RowNo(1) });
    assert!(
        matches!(effects.as_slice(), [Effect::Outcome { row: RowNo(1), outcome: Outcome::Dead { code, .. }, .. }] if code == "discarded"),
        "{effects:?}"
    );
    rig.handle(Event::Start);
    let connection = rig.greet();
    rig.lose(connection, 1006);
    // The hub may have the row, so its verdict decides.
    assert_eq!(rig.handle(Event::Cancel { n: RowNo(2) }), []);
    rig.at_deadline();
    let connection = rig.greet();
    let effects = nack(&mut rig, connection, 2, "expired");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Outcome { row: RowNo(2), outcome: Outcome::Dead { code, .. }, .. } if code == "discarded")),
        "{effects:?}"
    );
    assert_eq!(rig.client.outbox_rows(), 0);
}

#[test]
fn s15_a_row_that_was_never_sent_in_its_time_dies_and_its_followers_close_ranks() {
    let mut rig = Rig::new(&Config::default());
    rig.publish("a");
    rig.publish_with("a", Some(5_000), None);
    rig.publish("a");
    rig.now = rig.now.plus(5_000);
    let effects = rig.handle(Event::Deadline);
    assert!(
        matches!(effects.as_slice(), [Effect::Outcome { row: RowNo(2), outcome: Outcome::Dead { code, .. }, .. }] if code == "expired"),
        "{effects:?}"
    );
    rig.handle(Event::Start);
    rig.handle(Event::Opened {
        connection: ConnectionId(1),
    });
    let effects = rig.record(ConnectionId(1), "welcome s1 1");
    assert_eq!(heads(&effects), ["1 0 a", "3 1 a"]);
}

#[test]
fn f04_a_closed_client_wants_no_timer() {
    let mut rig = Rig::new(&Config::default());
    rig.publish_with("a", Some(5_000), None);
    rig.handle(Event::Start);
    assert!(rig.client.deadline().is_some());
    rig.handle(Event::Close);
    assert_eq!(rig.client.deadline(), None);
}

#[test]
fn a_row_that_was_sent_outlives_its_time_because_the_hub_may_have_it() {
    let (mut rig, connection) = Rig::connected();
    rig.publish_with("a", Some(5_000), None);
    rig.lose(connection, 1006);
    rig.after(10_000, Event::Deadline);
    assert_eq!(rig.client.outbox_rows(), 1);
}

#[test]
fn a_key_replaces_an_unsent_row_in_its_place_and_never_a_sent_one() {
    let mut rig = Rig::new(&Config::default());
    rig.publish_with("a", None, Some("k"));
    rig.publish("a");
    let queued = |request, row| Effect::RowAssigned {
        request,
        row: RowNo(row),
        is_durable: false,
    };
    assert_eq!(rig.publish_with("a", None, Some("k")), [queued(3, 1)]);
    assert_eq!(rig.publish_with("b", None, Some("k")), [queued(4, 3)]);
    rig.handle(Event::Start);
    rig.greet();
    let effects = rig.publish_with("a", None, Some("k"));
    assert_eq!(effects.first(), Some(&queued(5, 4)));
    assert!(sent(&effects).contains(" 4 2 a "), "{effects:?}");
}

#[test]
fn the_outbox_refuses_at_its_limits_and_keeps_its_rows() {
    let mut rig = Rig::new(&Config {
        outbox: OutboxLimits {
            rows_max: 2,
            bytes_max: 1_000_000,
        },
        ..Config::default()
    });
    rig.publish("a");
    rig.publish_with("a", None, Some("k"));
    let refused = |request, why| Effect::PublishRefused { request, why };
    assert_eq!(rig.publish("a"), [refused(3, PublishRefusal::OutboxFull)]);
    let effects = rig.publish_with("a", None, Some("k"));
    assert!(
        matches!(effects.as_slice(), [Effect::RowAssigned { .. }]),
        "a replacement needs no room"
    );
    let effects = rig.handle(Event::Publish(Publication {
        kind: Kind::Message,
        request: 9,
        topic: "a",
        bytes: 65_537,
        ttl_ms: None,
        machine_ms: 0,
        key: Some("k"),
        is_repeated: false,
    }));
    let too_large = PublishRefusal::PayloadTooLarge { bytes_max: 65_536 };
    assert_eq!(effects, [refused(9, too_large)]);
    assert_eq!(rig.client.outbox_rows(), 2);
}

/// Returns a client that continues with rows 3 to 5 of an earlier one, which sent the first of
/// them.
fn inherited() -> Rig {
    inherited_as(&[3, 4, 5])
}

/// Restores the rows in this order.
fn inherited_as(order: &[u64]) -> Rig {
    let mut rig = Rig::new(&Config {
        inherited: Some(Inherited {
            producer: "before".to_owned(),
            last: RowNo(6),
            stored: String::new(),
        }),
        ..Config::default()
    });
    for &n in order {
        let (attempts, topic, key) = match n {
            3 => (1, "a", Some("k")),
            4 => (0, "b", Some("k")),
            _ => (0, "a", None),
        };
        let effects = rig.handle(Event::Restore {
            row: RowNo(n),
            attempts,
            publication: Publication {
                kind: Kind::Message,
                request: 0,
                topic,
                bytes: 10,
                ttl_ms: Some(1_000),
                machine_ms: 0,
                key,
                is_repeated: false,
            },
        });
        assert_eq!(effects, []);
    }
    rig
}

#[test]
fn f01_an_inherited_outbox_sends_its_rows_in_order_whatever_order_restores_them() {
    for order in [[5, 4, 3], [4, 5, 3], [5, 3, 4]] {
        let mut rig = inherited_as(&order);
        rig.handle(Event::Start);
        let connection = ConnectionId(1);
        rig.handle(Event::Opened { connection });
        let effects = rig.record(connection, "welcome s1 1");
        assert_eq!(heads(&effects), ["3 0 a", "4 0 b", "5 3 a"], "{order:?}");
        ack(&mut rig, connection, 3);
        assert_eq!(rig.client.outbox_rows(), 2);
    }
}

#[test]
fn f01_an_inherited_outbox_takes_each_row_once_and_numbers_on_after_the_last() {
    let mut rig = inherited_as(&[9, 3, 3]);
    assert_eq!(rig.client.outbox_rows(), 2);
    rig.handle(Event::Start);
    rig.handle(Event::Opened {
        connection: ConnectionId(1),
    });
    rig.record(ConnectionId(1), "welcome s1 1");
    assert_eq!(heads(&rig.publish("a")), ["10 9 a"]);
}

#[test]
fn s59_an_inherited_outbox_sends_its_rows_as_they_were_and_numbers_on() {
    let mut rig = inherited();
    assert_eq!(rig.client.outbox_rows(), 3);
    rig.handle(Event::Start);
    let connection = ConnectionId(1);
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert_eq!(heads(&effects), ["3 0 a", "4 0 b", "5 3 a"]);
    assert_eq!(rig.client.producer(), "before");
    assert_eq!(rig.client.metrics(rig.now).retries, 1);
    assert_eq!(heads(&rig.publish("a")), ["7 5 a"]);
    ack(&mut rig, connection, 3);
    assert_eq!(rig.client.outbox_rows(), 3);
}

#[test]
fn s59_of_inherited_rows_only_those_never_sent_are_replaced_or_expire() {
    let mut rig = inherited();
    rig.handle(Event::Start);
    let is_row = |effects: &[Effect], n| matches!(effects, [Effect::RowAssigned { row, .. }] if *row == RowNo(n));
    assert!(is_row(&rig.publish_with("a", None, Some("k")), 7));
    assert!(is_row(&rig.publish_with("b", None, Some("k")), 4));
    let effects = rig.after(1_000, Event::Deadline);
    let ended: Vec<RowNo> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Outcome { row, .. } => Some(*row),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [RowNo(5)]);
}

#[test]
fn f18_fifty_thousand_rows_of_as_many_topics_are_taken_in_sent_and_acked_in_their_order() {
    const ROWS: u32 = 50_000;
    let mut rig = Rig::new(&Config {
        outbox: OutboxLimits {
            rows_max: 50_000,
            bytes_max: 1 << 24,
        },
        ..Config::default()
    });
    rig.handle(Event::Start);
    for topic in 0..ROWS {
        rig.publish(&topic.to_string());
    }
    let connection = rig.greet();
    let mut sent = 256;
    for n in 1..=ROWS {
        let next = heads(&ack(&mut rig, connection, n.into()));
        let is_last = sent == ROWS;
        sent += u32::from(!is_last);
        let expected = format!("{sent} 0 {}", sent - 1);
        assert_eq!(next, if is_last { vec![] } else { vec![expected] });
    }
    assert_eq!(rig.client.outbox_rows(), 0);
}
