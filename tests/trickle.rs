//! Answers and parts that arrive slowly: a trickle ends an attempt, and a slow line does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/race.rs"]
mod race;

use Transport::{LongPoll, WebSocket};
use common::{EPOCH, Rig, abandoned, opened};
use longhaul::config::ARRIVAL_MS_MAX;
use longhaul::ids::ConnectionId;
use longhaul::wire::ANSWER_BYTES_MAX;
use longhaul::{Effect, Event, Transport};
use race::{polling, rig, transport, welcome};

/// A piece of an answer, a byte long, each half second for so long.
fn trickle(rig: &mut Rig, connection: u64, ms: u64) -> Vec<Effect> {
    let until = rig.now.plus(ms);
    let mut effects = Vec::new();
    while rig.now < until {
        let next = rig.now.plus(500);
        while rig.client.deadline().is_some_and(|at| at <= next) {
            effects.extend(rig.at_deadline());
        }
        rig.now = next;
        effects.extend(rig.handle(Event::Heard {
            connection: ConnectionId(connection),
            has_more: true,
            bytes: 1,
        }));
    }
    effects
}

#[test]
fn a2_an_attempt_ends_whose_poll_trickles_and_the_other_transports_are_tried_again() {
    let mut rig = rig(None);
    rig.handle(Event::Start);
    rig.at_deadline();
    assert_eq!(opened(&rig.at_deadline()), [(3, LongPoll)]);
    let begun = rig.now;
    let mut effects = Vec::new();
    while opened(&effects).is_empty() {
        assert!(rig.now.since(begun) < 120_000, "{:?}", rig.client.status());
        effects = trickle(&mut rig, 3, 500);
    }
    assert!(rig.now.since(begun) >= ARRIVAL_MS_MAX);
    assert_eq!(opened(&effects), [(4, WebSocket)]);
    rig.handle(Event::Opened {
        connection: ConnectionId(4),
    });
    welcome(&mut rig, 4);
    assert_eq!(transport(&rig), WebSocket);
}

#[test]
fn a2_a_poll_whose_answer_trickles_is_given_up() {
    let mut rig = polling();
    rig.handle(Event::Answered {
        connection: ConnectionId(3),
    });
    let effects = trickle(&mut rig, 3, ARRIVAL_MS_MAX);
    assert!(!abandoned(&effects).contains(&3));
    let effects = trickle(&mut rig, 3, 2_000);
    assert!(abandoned(&effects).contains(&3), "{effects:?}");
}

#[test]
fn a2_a_record_whose_parts_trickle_is_given_up_unless_whole_ones_come_between() {
    for comes_between in [false, true] {
        let (mut rig, connection) = Rig::connected();
        let mut gone = false;
        for second in 0..300 {
            let mut effects = rig.after(1_000, Event::Deadline);
            effects.extend(rig.handle(Event::Heard {
                connection,
                has_more: true,
                bytes: 20,
            }));
            for text in effects.iter().filter_map(|effect| match effect {
                Effect::Send { records, .. } => records.strip_prefix("ping "),
                _ => None,
            }) {
                rig.record(connection, &format!("pong {text}"));
            }
            gone |= abandoned(&effects).contains(&1);
            if comes_between && second % 50 == 0 {
                rig.record(connection, &format!("ack x 1 {EPOCH} 1 0"));
            }
        }
        assert_eq!(gone, !comes_between);
    }
}

#[test]
fn a2_sixteen_mebibytes_arrive_at_8_kb_a_second() {
    let mut rig = rig(Some(LongPoll));
    rig.handle(Event::Start);
    let connection = ConnectionId(1);
    for established in [false, true] {
        let mut bytes = 0;
        while bytes < ANSWER_BYTES_MAX {
            let effects = rig.after(1_000, Event::Deadline);
            assert!(!abandoned(&effects).contains(&1), "after {bytes} bytes");
            bytes += 8_000;
            rig.handle(Event::Heard {
                connection,
                has_more: true,
                bytes: 8_000,
            });
        }
        if !established {
            welcome(&mut rig, 1);
        }
        rig.handle(Event::Answered { connection });
    }
    assert_eq!(transport(&rig), LongPoll);
}
