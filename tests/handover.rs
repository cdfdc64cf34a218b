//! What two connections at once, and frames out of order, can do to a subscription. Each was first
//! found by the simulator; the scenario is made by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use Transport::{EventSource, LongPoll, WebSocket};
use common::{EPOCH, Rig, opened, sent};
use longhaul::config::Config;
use longhaul::ids::{ConnectionId, From, Seq};
use longhaul::{Effect, Event, Transport};

fn rig(worked: Option<Transport>, transports: &[Transport]) -> Rig {
    Rig::new(&Config {
        transports: transports.to_vec(),
        worked,
        ..Config::default()
    })
}

fn welcome(rig: &mut Rig, connection: u64) -> Vec<Effect> {
    rig.record(ConnectionId(connection), "welcome s1 1763779200000")
}

fn open(rig: &mut Rig, connection: u64) -> Vec<Effect> {
    let connection = ConnectionId(connection);
    rig.handle(Event::Opened { connection })
}

/// A client on stream 1 with a subscription that has its answer, and socket 2 beside it, which has
/// been asked too but has not answered.
fn moving(from: From, answer: &str) -> Rig {
    let mut rig = rig(Some(EventSource), &[WebSocket, EventSource]);
    rig.subscribe("a", from);
    rig.handle(Event::Start);
    open(&mut rig, 1);
    welcome(&mut rig, 1);
    while opened(&rig.at_deadline()).is_empty() {}
    open(&mut rig, 2);
    rig.record(ConnectionId(1), answer);
    rig
}

fn gaps(effects: &[Effect]) -> Vec<(u64, Option<u64>)> {
    let gaps = effects.iter().filter_map(|effect| match effect {
        Effect::Gap { first, last, .. } => Some((first.0, last.map(|last| last.0))),
        _ => None,
    });
    gaps.collect()
}

#[test]
fn c4_a_live_subscription_asked_for_twice_loses_nothing_between_the_two_answers() {
    let mut rig = moving(From::Live, &format!("subscribed 1 {EPOCH} 100 0 100"));
    let no = longhaul::ids::TopicNo(1);
    rig.messages(ConnectionId(1), no, 101, 2);
    welcome(&mut rig, 2);
    // Three more came before the hub read the question that the socket brought.
    let effects = rig.record(ConnectionId(2), &format!("subscribed 1 {EPOCH} 105 0 105"));
    let asked = format!("sub 1 a {EPOCH}/102/102");
    assert_eq!(sent(&effects), asked);
    let (_, effects) = rig.messages(ConnectionId(2), no, 106, 1);
    assert_eq!(effects, [], "not before what is between");
    rig.record(
        ConnectionId(2),
        &format!("subscribed 1 {EPOCH} 102 102 106"),
    );
    let (run, effects) = rig.messages(ConnectionId(2), no, 103, 4);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
}

#[test]
fn i14_a_subscription_answered_from_another_log_without_a_word_is_asked_for_with_its_cursor() {
    let mut rig = moving(From::Start, &format!("subscribed 1 {EPOCH} 0 0 2"));
    rig.messages(ConnectionId(1), longhaul::ids::TopicNo(1), 1, 2);
    welcome(&mut rig, 2);
    let effects = rig.record(ConnectionId(2), "subscribed 1 00000000000000aa 0 0 7");
    assert_eq!(sent(&effects), format!("sub 1 a {EPOCH}/2/2"));
    let effects = rig.record(
        ConnectionId(2),
        "resume_failed 1 epoch 00000000000000aa 0 0 7",
    );
    assert_eq!(gaps(&effects), [(3, None)], "now it is told");
}

#[test]
fn h3_a_cursor_that_has_expired_meanwhile_is_no_gap_where_more_came_over_the_old_connection() {
    let mut rig = moving(From::Start, &format!("subscribed 1 {EPOCH} 90 0 95"));
    let no = longhaul::ids::TopicNo(1);
    rig.messages(ConnectionId(1), no, 91, 18);
    welcome(&mut rig, 2);
    let effects = rig.record(
        ConnectionId(2),
        &format!("resume_failed 1 expired {EPOCH} 95 95 108"),
    );
    assert_eq!(gaps(&effects), []);
    let (run, effects) = rig.messages(ConnectionId(2), no, 96, 14);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 13 }], "once");
}

#[test]
fn a_stream_that_is_outdated_while_another_opens_waits_for_it_and_does_not_spin() {
    let mut rig = moving(From::Seq(Seq(1)), &format!("subscribed 1 {EPOCH} 0 0 0"));
    rig.subscribe("b", From::Live);
    let due = rig.client.deadline().unwrap();
    assert!(due > rig.now, "{due:?}");
}

#[test]
fn a_socket_that_takes_over_knows_every_subscription_and_nothing_is_renewed_after_it() {
    let mut rig = rig(Some(LongPoll), &[WebSocket, LongPoll]);
    rig.handle(Event::Start);
    welcome(&mut rig, 1);
    rig.handle(Event::Answered {
        connection: ConnectionId(1),
    });
    while opened(&rig.at_deadline()).is_empty() {}
    open(&mut rig, 2);
    let (_, effects) = rig.subscribe("b", From::Live);
    assert_eq!(sent(&effects), "sub 1 b live");
    welcome(&mut rig, 2);
    let due = rig.client.deadline().unwrap();
    assert!(due > rig.now, "{due:?}");
}

#[test]
fn t2_a_subscription_made_while_a_stream_opens_is_asked_for_once_it_is_open() {
    let mut rig = rig(Some(EventSource), &[EventSource]);
    rig.handle(Event::Start);
    open(&mut rig, 1);
    rig.subscribe("a", From::Live);
    welcome(&mut rig, 1);
    assert_eq!(opened(&rig.at_deadline()), [(2, EventSource)]);
    open(&mut rig, 2);
    welcome(&mut rig, 2);
    while rig.client.deadline().unwrap() < rig.now.plus(30_000) {
        assert_eq!(opened(&rig.at_deadline()), [], "once");
    }
}

#[test]
fn t2_a_subscription_made_while_a_better_stream_opens_is_asked_for_there_too() {
    let mut rig = rig(Some(LongPoll), &[EventSource, LongPoll]);
    rig.handle(Event::Start);
    welcome(&mut rig, 1);
    rig.handle(Event::Answered {
        connection: ConnectionId(1),
    });
    while opened(&rig.at_deadline()).is_empty() {}
    open(&mut rig, 2);
    rig.subscribe("a", From::Live);
    rig.at_deadline();
    welcome(&mut rig, 2);
    assert_eq!(opened(&rig.at_deadline()), [(3, EventSource)]);
}

#[test]
fn f15_a_replay_from_the_beginning_is_not_asked_for_again_before_a_whole_heartbeat() {
    let (mut rig, connection) = Rig::connected();
    let (no, _) = rig.subscribe("a", From::Start);
    rig.record(connection, &format!("subscribed {} {EPOCH} 0 7 3", no.0));
    assert_eq!(sent(&rig.record(connection, "ping 1")), "pong 1");
    let again = sent(&rig.record(connection, "ping 2"));
    assert!(again.contains("sub 1 a"), "nothing has come: {again}");
}

#[test]
fn f15_a_replay_is_not_asked_for_again_at_the_first_heartbeat_of_another_connection() {
    let (mut rig, connection) = Rig::connected();
    let (no, _) = rig.subscribe("a", From::Live);
    rig.record(connection, &format!("subscribed {} {EPOCH} 0 7 0", no.0));
    rig.messages(connection, no, 1, 4);
    rig.record(connection, &format!("subscribed {} {EPOCH} 0 7 9", no.0));
    rig.record(connection, "ping 1");
    // The cursor that the hub was shown is older than what has come.
    rig.lose(connection, 1006);
    rig.at_deadline();
    let connection = connection.next();
    rig.handle(Event::Opened { connection });
    rig.record(connection, "welcome s1 1");
    rig.record(connection, &format!("subscribed {} {EPOCH} 3 3 9", no.0));
    assert_eq!(sent(&rig.record(connection, "ping 2")), "pong 2");
}

#[test]
fn s46_what_the_hub_told_of_and_did_not_send_is_asked_for_at_a_heartbeat() {
    let (mut rig, connection) = Rig::connected();
    let (no, _) = rig.subscribe("a", From::Start);
    rig.record(connection, &format!("subscribed 1 {EPOCH} 0 0 9"));
    rig.messages(connection, no, 1, 4);
    assert_eq!(
        sent(&rig.record(connection, "ping 1")),
        "pong 1",
        "it may be on its way"
    );
    let effects = rig.record(connection, "ping 2");
    assert_eq!(sent(&effects), format!("pong 2\nsub 1 a {EPOCH}/4/4"));
    rig.record(connection, &format!("subscribed 1 {EPOCH} 4 4 9"));
    rig.messages(connection, no, 5, 5);
    for t in 3..9 {
        let effects = rig.record(connection, &format!("ping {t}"));
        assert_eq!(sent(&effects), format!("pong {t}"), "all is there");
    }
}

#[test]
fn d7_a_document_without_a_snapshot_takes_any_answer_and_asks_no_more() {
    let (mut rig, connection) = Rig::connected();
    let no = longhaul::ids::TopicNo(1);
    rig.handle(Event::Follow { no, topic: "d" });
    rig.record(connection, &format!("subscribed 1 {EPOCH} 5 9 5"));
    rig.handle(Event::Resync { no });
    rig.record(connection, &format!("subscribed 1 {EPOCH} 6 7 6"));
    let effects = rig.record(connection, &format!("subscribed 1 {EPOCH} 8 3 8"));
    assert_eq!(sent(&effects), "");
}
