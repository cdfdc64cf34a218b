//! What a subscriber sees: every seq once and in order, or a told gap, whatever the connection
//! does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]

mod common;

use common::{EPOCH, Rig, opened, sent};
use longhaul::config::Config;
use longhaul::ids::{Chain, ConnectionId, Cursor, Epoch, From, Seq, TopicNo};
use longhaul::wire::ResumeFailure;
use longhaul::{Effect, Event, Run, Transport};
use proptest::prelude::*;

const OTHER_EPOCH: &str = "0000000000000001";

fn streaming(from: From) -> (Rig, ConnectionId, TopicNo) {
    let (mut rig, connection) = Rig::connected();
    let (no, _) = rig.subscribe("a", from);
    rig.record(connection, &format!("subscribed {} {EPOCH} 0 7 0", no.0));
    (rig, connection, no)
}

/// Loses the connection and comes back up to the point where the subs are sent again.
fn come_back(rig: &mut Rig, lost: ConnectionId) -> (ConnectionId, String) {
    rig.lose(lost, 1006);
    while opened(&rig.at_deadline()).is_empty() {}
    let connection = lost.next();
    let hello = sent(&rig.handle(Event::Opened { connection }));
    rig.record(connection, "welcome s1 1");
    (connection, hello)
}

#[test]
fn h4_messages_are_delivered_as_they_come_and_duplicates_are_not() {
    let (mut rig, connection, no) = streaming(From::Live);
    let (run, effects) = rig.messages(connection, no, 1, 3);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
    let (_, effects) = rig.messages(connection, no, 2, 2);
    assert_eq!(effects, []);
    let (run, effects) = rig.messages(connection, no, 2, 4);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 2 }]);
    let metrics = rig.client.metrics(rig.now);
    assert_eq!(
        (metrics.messages_received, metrics.duplicates_dropped),
        (5, 4)
    );
}

#[test]
fn h4_only_what_is_next_in_line_is_delivered_without_a_look_at_the_clock() {
    let (mut rig, connection, no) = streaming(From::Live);
    let next = |rig: &mut Rig, connection, first: u64, count: u32| {
        let run = Run {
            id: 1,
            first: Seq(first),
            count,
            chain: Chain(first + u64::from(count) - 1),
            chars: 1,
        };
        rig.client.deliver_next(connection, no, &run)
    };
    assert!(next(&mut rig, connection, 1, 3), "the first ones");
    assert!(!next(&mut rig, connection, 2, 3), "some came twice");
    assert!(!next(&mut rig, connection, 5, 1), "4 is missing");
    assert!(!next(&mut rig, connection.next(), 4, 1), "another socket");
    assert!(next(&mut rig, connection, 4, 1));
    rig.messages(connection, no, 6, 1);
    assert!(!next(&mut rig, connection, 5, 1), "6 is held behind it");
    let metrics = rig.client.metrics(rig.now);
    assert_eq!(metrics.messages_received, 4);
    let (_, hello) = come_back(&mut rig, connection);
    assert!(
        hello.contains(&format!("sub {} a {EPOCH}/4/4", no.0)),
        "{hello}"
    );
    rig.record(
        connection.next(),
        &format!("subscribed {} {EPOCH} 4 4 6", no.0),
    );
    assert!(
        !next(&mut rig, connection.next(), 5, 1),
        "replay is counted"
    );
}

#[test]
fn b2_a_stream_that_only_listens_is_told_the_time_of_each_message() {
    let mut rig = Rig::new(&Config {
        transports: vec![Transport::EventSource],
        ..Config::default()
    });
    rig.handle(Event::Start);
    let connection = rig.greet();
    let (no, _) = rig.subscribe("a", From::Live);
    // The stream with the subscription in it takes the place of the first one.
    rig.at_deadline();
    let connection = connection.next();
    rig.handle(Event::Opened { connection });
    rig.record(connection, "welcome s1 1");
    rig.record(connection, &format!("subscribed {} {EPOCH} 0 7 0", no.0));
    rig.is_in_time = true;
    rig.now = rig.now.plus(30_000);
    let before = rig.client.deadline();
    rig.messages(connection, no, 1, 1);
    assert_eq!(
        rig.client.deadline(),
        before.map(|at| at.plus(30_000)),
        "silence counts from the message on"
    );
}

#[test]
fn c4_a_hole_is_held_and_asked_for_once_and_then_all_goes_on_in_order() {
    let (mut rig, connection, no) = streaming(From::Live);
    rig.messages(connection, no, 1, 1);
    let (held, effects) = rig.messages(connection, no, 3, 1);
    assert!(effects.contains(&Effect::Hold { run: held }));
    assert_eq!(sent(&effects), format!("sub {} a {EPOCH}/1/1", no.0));
    let (also_held, effects) = rig.messages(connection, no, 4, 1);
    assert_eq!(effects, [Effect::Hold { run: also_held }], "asked once");
    let (filler, effects) = rig.messages(connection, no, 2, 1);
    let deliver = |run| Effect::Deliver { no, run, skip: 0 };
    assert_eq!(
        effects,
        [deliver(filler), deliver(held), deliver(also_held)]
    );
}

#[test]
fn c4_the_answer_to_a_repair_lets_go_of_what_was_held_because_it_comes_again() {
    let (mut rig, connection, no) = streaming(From::Live);
    rig.messages(connection, no, 1, 1);
    let (held, _) = rig.messages(connection, no, 3, 1);
    let effects = rig.record(connection, &format!("subscribed {} {EPOCH} 1 1 3", no.0));
    assert!(effects.contains(&Effect::Discard { run: held }));
    let (run, effects) = rig.messages(connection, no, 2, 2);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
}

#[test]
fn c16_a_reconnect_resumes_after_the_last_message_and_counts_what_is_replayed() {
    let (mut rig, connection, no) = streaming(From::Live);
    rig.messages(connection, no, 1, 5);
    let (connection, hello) = come_back(&mut rig, connection);
    assert!(
        hello.ends_with(&format!("sub {} a {EPOCH}/5/5", no.0)),
        "{hello}"
    );
    rig.record(connection, &format!("subscribed {} {EPOCH} 5 5 7", no.0));
    rig.messages(connection, no, 6, 4);
    let metrics = rig.client.metrics(rig.now);
    assert_eq!(
        (metrics.messages_received, metrics.messages_replayed),
        (9, 2)
    );
}

#[test]
fn messages_of_an_old_connection_and_before_the_answer_are_dropped() {
    let (mut rig, old, no) = streaming(From::Live);
    rig.messages(old, no, 1, 1);
    let (new, _) = come_back(&mut rig, old);
    assert_eq!(rig.messages(old, no, 2, 1).1, []);
    assert_eq!(rig.messages(new, no, 2, 1).1, []);
    rig.record(new, &format!("subscribed {} {EPOCH} 1 1 2", no.0));
    let (run, effects) = rig.messages(new, no, 2, 1);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
}

#[test]
fn a_subscription_made_while_the_welcome_is_awaited_is_asked_for_at_once() {
    let mut rig = Rig::new(&longhaul::config::Config::default());
    rig.handle(Event::Start);
    rig.handle(Event::Opened {
        connection: ConnectionId(1),
    });
    assert_eq!(sent(&rig.subscribe("a", From::Live).1), "sub 1 a live");
}

#[test]
fn from_live_start_and_a_seq_are_asked_for_as_such_until_there_is_an_answer() {
    let mut rig = Rig::new(&longhaul::config::Config::default());
    for from in [From::Live, From::Start, From::Seq(Seq(17))] {
        rig.subscribe("a", from);
    }
    rig.handle(Event::Start);
    let hello = sent(&rig.handle(Event::Opened {
        connection: ConnectionId(1),
    }));
    assert!(hello.ends_with("sub 1 a live\nsub 2 a start\nsub 3 a 17"));
    rig.lose(ConnectionId(1), 1006);
    rig.at_deadline();
    let hello = sent(&rig.handle(Event::Opened {
        connection: ConnectionId(2),
    }));
    assert!(hello.ends_with("sub 1 a live\nsub 2 a start\nsub 3 a 17"));
}

fn gaps(effects: &[Effect]) -> Vec<(u64, u64, Option<u64>, ResumeFailure)> {
    let gaps = effects.iter().filter_map(|effect| match effect {
        Effect::Gap {
            epoch,
            first,
            last,
            reason,
            ..
        } => Some((epoch.0, first.0, last.map(|last| last.0), *reason)),
        _ => None,
    });
    gaps.collect()
}

const E: u64 = 0x00c0_ffee_00c0_ffee;

#[test]
fn s47_what_the_hub_no_longer_has_is_told_by_range_before_anything_later() {
    let (mut rig, connection, no) = streaming(From::Live);
    rig.messages(connection, no, 1, 5);
    let (connection, _) = come_back(&mut rig, connection);
    let effects = rig.record(
        connection,
        &format!("resume_failed {} trimmed {EPOCH} 90 9 100", no.0),
    );
    assert_eq!(gaps(&effects), [(E, 6, Some(90), ResumeFailure::Trimmed)]);
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Gap { .. }, Effect::Streaming { .. }]
        ),
        "{effects:?}"
    );
    let (run, effects) = rig.messages(connection, no, 91, 1);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
}

#[test]
fn s36_i14_a_new_epoch_is_told_before_its_first_message() {
    let (mut rig, connection, no) = streaming(From::Live);
    rig.messages(connection, no, 1, 5);
    let (connection, _) = come_back(&mut rig, connection);
    let effects = rig.record(
        connection,
        &format!("resume_failed {} epoch {OTHER_EPOCH} 2 9 4", no.0),
    );
    let wanted = [
        (E, 6, None, ResumeFailure::Epoch),
        (1, 1, Some(2), ResumeFailure::Trimmed),
    ];
    assert_eq!(gaps(&effects), wanted);
    assert!(effects.contains(&Effect::Streaming {
        no,
        after: Cursor {
            epoch: Epoch(1),
            seq: Seq(2),
            chain: Chain(9)
        }
    }));
    let (run, effects) = rig.messages(connection, no, 3, 2);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
}

#[test]
fn a_new_epoch_whose_log_is_whole_has_no_gap_of_its_own() {
    let (mut rig, connection, no) = streaming(From::Live);
    let (connection, _) = come_back(&mut rig, connection);
    let effects = rig.record(
        connection,
        &format!("resume_failed {} epoch {OTHER_EPOCH} 0 9 4", no.0),
    );
    assert_eq!(gaps(&effects), [(E, 1, None, ResumeFailure::Epoch)]);
}

#[test]
fn a_running_stream_can_be_told_a_gap_too() {
    let (mut rig, connection, no) = streaming(From::Live);
    rig.messages(connection, no, 1, 5);
    let effects = rig.record(
        connection,
        &format!("resume_failed {} expired {EPOCH} 8 8 9", no.0),
    );
    assert_eq!(gaps(&effects), [(E, 6, Some(8), ResumeFailure::Expired)]);
}

#[test]
fn a_seq_that_is_gone_or_not_yet_there_is_told() {
    for (after, last) in [(20, Some(20)), (3, None)] {
        let (mut rig, connection) = Rig::connected();
        let (no, _) = rig.subscribe("a", From::Seq(Seq(17)));
        let effects = rig.record(
            connection,
            &format!("resume_failed {} trimmed {EPOCH} {after} 9 30", no.0),
        );
        assert_eq!(gaps(&effects), [(E, 17, last, ResumeFailure::Trimmed)]);
    }
}

#[test]
fn an_ended_subscription_gets_nothing_more_and_lets_go_of_what_was_held() {
    let (mut rig, connection, no) = streaming(From::Live);
    let (held, _) = rig.messages(connection, no, 5, 1);
    let effects = rig.handle(Event::Unsubscribe { no });
    assert!(effects.contains(&Effect::Discard { run: held }));
    assert_eq!(sent(&effects), format!("unsub {}", no.0));
    assert_eq!(rig.messages(connection, no, 1, 1).1, []);
    let (_, hello) = come_back(&mut rig, connection);
    assert!(!hello.contains("sub "), "{hello}");
}

#[test]
fn s46_a_flood_behind_a_hole_is_let_go_and_asked_for_again() {
    let (mut rig, connection, no) = streaming(From::Live);
    let mut held = 0;
    let mut discarded = 0;
    let mut asked = 0;
    for seq in 2..=1_000 {
        let (_, effects) = rig.messages(connection, no, seq, 1);
        for effect in effects {
            match effect {
                Effect::Hold { .. } => held += 1,
                Effect::Discard { .. } => discarded += 1,
                Effect::Send { .. } => asked += 1,
                Effect::StatusChanged => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(held - discarded <= 256, "{held} held, {discarded} let go");
    assert!((1..=5).contains(&asked), "asked {asked} times");
}

proptest! {
    /// The peer repeats, reorders and loses at random, and answers every repair from its log.
    #[test]
    fn s45_any_interleaving_of_loss_repeats_and_order_gives_every_seq_once(
        seed: u64, total in 1_u64..120, is_in_time: bool,
    ) {
        let (mut rig, mut connection, no) = streaming(From::Live);
        rig.is_in_time = is_in_time;
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut seen: Vec<u64> = Vec::new();
        let mut runs = std::collections::HashMap::new();
        let mut next = 1;
        let mut delayed: Vec<(u64, u32)> = Vec::new();
        let answer = |after: u64| {
            let chain = if after == 0 { 7 } else { after };
            format!("subscribed {} {EPOCH} {after} {chain} {total}", no.0)
        };
        for _ in 0..10_000 {
            if seen.len() as u64 == total { break; }
            let calm = next > total && delayed.is_empty();
            let (first, count) = match rng.u8(0..10) {
                0 if !delayed.is_empty() => delayed.swap_remove(rng.usize(..delayed.len())),
                1 if !seen.is_empty() => (rng.u64(1..=seen.len() as u64), 1),
                _ if next <= total => {
                    let count = rng.u64(1..=(total - next + 1).min(5));
                    let run = (next, u32::try_from(count).unwrap());
                    next += count;
                    match rng.u8(0..6) { 0 => continue, 1 => { delayed.push(run); continue } _ => run }
                }
                _ if calm => {
                    // Nothing is under way and something is missing: the connection breaks and
                    // comes back.
                    let lost = connection;
                    connection = come_back(&mut rig, lost).0;
                    next = seen.len() as u64 + 1;
                    rig.record(connection, &answer(next - 1));
                    continue;
                }
                _ => continue,
            };
            let (run, effects) = rig.messages(connection, no, first, count);
            runs.insert(run, (first, count));
            for effect in effects {
                match effect {
                    Effect::Deliver { run, skip, .. } => {
                        let (first, count) = runs[&run];
                        seen.extend(first + u64::from(skip)..first + u64::from(count));
                    }
                    Effect::Send { .. } => {
                        next = seen.len() as u64 + 1;
                        delayed.clear();
                        rig.record(connection, &answer(next - 1));
                    }
                    _ => {}
                }
            }
        }
        prop_assert_eq!(seen, (1..=total).collect::<Vec<_>>());
    }
}

/// The codes that users are told of refusals.
fn told(effects: &[Effect]) -> Vec<&str> {
    let codes = effects.iter().filter_map(|effect| match effect {
        Effect::Refused { code, .. } => Some(code.as_str()),
        _ => None,
    });
    codes.collect()
}

#[test]
fn f15_a_final_word_after_busy_is_told() {
    let (mut rig, connection) = Rig::connected();
    let (no, _) = rig.subscribe("a", From::Live);
    let refuse = |rig: &mut Rig, code: &str| {
        let effects = rig.record(connection, &format!("refused {} {code} why", no.0));
        told(&effects).join(" ")
    };
    assert_eq!(refuse(&mut rig, "busy"), "busy");
    rig.at_deadline();
    assert_eq!(refuse(&mut rig, "busy"), "", "once");
    rig.at_deadline();
    assert_eq!(refuse(&mut rig, "forbidden"), "forbidden");
    assert_eq!(refuse(&mut rig, "busy"), "busy", "something else by now");
}

#[test]
fn f15_a_stream_between_two_times_of_busy_makes_the_second_news() {
    let (mut rig, connection) = Rig::connected();
    let (no, _) = rig.subscribe("a", From::Live);
    let busy = format!("refused {} busy why", no.0);
    assert_eq!(told(&rig.record(connection, &busy)), ["busy"]);
    rig.record(connection, &format!("subscribed {} {EPOCH} 0 7 0", no.0));
    assert_eq!(told(&rig.record(connection, &busy)), ["busy"]);
}
