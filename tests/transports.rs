//! Several transports: the race, falling back, upgrades, and each transport's rules (T1 to T6).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/race.rs"]
mod race;

use Transport::{EventSource, LongPoll, WebSocket};
use common::{EPOCH, Rig, abandoned, opened, polls, sent};
use longhaul::config::{Config, HEAD_START_MS, STREAM_MS_MAX};
use longhaul::ids::{ConnectionId, From};
use longhaul::{Effect, Event, Status, Transport, TriedOutcome};
use race::{polling, rig, transport, welcome};

#[test]
fn s54_cold_a_black_hole_is_overtaken_after_a_head_start_and_goes_on_as_the_better_one() {
    let mut rig = rig(None);
    let effects = rig.handle(Event::Start);
    assert_eq!(opened(&effects), [(1, WebSocket)]);
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), HEAD_START_MS);
    assert_eq!(opened(&rig.at_deadline()), [(2, EventSource)]);
    rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    let effects = welcome(&mut rig, 2);
    assert_eq!(transport(&rig), EventSource);
    assert_eq!(abandoned(&effects), [0; 0], "the socket may still open");
    rig.handle(Event::Opened {
        connection: ConnectionId(1),
    });
    let effects = welcome(&mut rig, 1);
    assert_eq!(abandoned(&effects), [2]);
    assert_eq!(transport(&rig), WebSocket);
    assert_eq!(rig.client.metrics(rig.now).transport_switches, 1);
}

#[test]
fn s54_cold_blocked_and_buffered_leads_to_polling_within_6_s() {
    let mut rig = rig(None);
    rig.handle(Event::Start);
    let begun = rig.now;
    assert_eq!(opened(&rig.lose(ConnectionId(1), 1006)), [(2, EventSource)]);
    rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    assert_eq!(opened(&rig.at_deadline()), [(3, LongPoll)]);
    welcome(&mut rig, 3);
    assert_eq!(transport(&rig), LongPoll);
    assert!(rig.now.since(begun) <= 6_000);
    rig.now = begun.plus(STREAM_MS_MAX);
    let effects = rig.handle(Event::Deadline);
    assert_eq!(abandoned(&effects), [2], "the buffered stream is given up");
    let outcomes: Vec<_> = rig
        .client
        .tried()
        .map(|t| (t.transport, t.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            (WebSocket, TriedOutcome::Blocked),
            (LongPoll, TriedOutcome::Ok),
            (EventSource, TriedOutcome::Buffered)
        ]
    );
}

#[test]
fn a05_what_worked_before_is_first_and_needs_no_head_start() {
    let mut rig = rig(Some(LongPoll));
    assert_eq!(opened(&rig.handle(Event::Start)), [(1, LongPoll)]);
    let effects = welcome(&mut rig, 1);
    assert!(effects.contains(&Effect::Remember {
        transport: LongPoll
    }));
}

#[test]
fn a04_where_something_worked_a_hub_that_is_away_costs_one_request_an_attempt() {
    let mut rig = rig(Some(WebSocket));
    let mut tried = opened(&rig.handle(Event::Start));
    for attempt in 1..=6 {
        assert_eq!(opened(&rig.lose(ConnectionId(attempt), 1006)), []);
        tried.extend(opened(&rig.at_deadline()));
    }
    let tried: Vec<_> = tried.into_iter().map(|(_, transport)| transport).collect();
    let wanted = [
        WebSocket,
        WebSocket,
        EventSource,
        LongPoll,
        WebSocket,
        EventSource,
        LongPoll,
    ];
    assert_eq!(tried, wanted);
}

#[test]
fn t3_a_poll_begins_with_hold_0_and_each_answer_leads_to_the_next_poll_from_the_cursor() {
    let mut rig = rig(Some(LongPoll));
    let (no, _) = rig.subscribe("a", From::Start);
    let effects = rig.handle(Event::Start);
    let Effect::Open { records, .. } = &effects[0] else {
        panic!("{effects:?}");
    };
    assert!(records.ends_with("hold=0\nsub 1 a start"), "{records}");
    let connection = ConnectionId(1);
    let effects = rig.record(connection, "welcome s1 1 hold=20000");
    assert_eq!(polls(&effects), [""; 0], "the answer is not complete yet");
    rig.record(connection, &format!("subscribed 1 {EPOCH} 0 7 2"));
    rig.messages(connection, no, 1, 2);
    let effects = rig.handle(Event::Answered { connection });
    let [poll] = polls(&effects)[..] else {
        panic!("{effects:?}");
    };
    assert!(
        poll.ends_with(&format!("session=s1 hold=20000\nsub 1 a {EPOCH}/2/2")),
        "{poll}"
    );
    rig.record(connection, "welcome s1 1 hold=20000");
    rig.record(connection, &format!("subscribed 1 {EPOCH} 2 2 3"));
    let (run, effects) = rig.messages(connection, no, 3, 1);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
}

#[test]
fn a_poll_that_is_overdue_is_given_up_and_one_found_late_is_asked_anew() {
    let mut rig = polling();
    let connection = ConnectionId(3);
    rig.handle(Event::Answered { connection });
    // The page slept: nobody is blamed.
    let effects = rig.after(3_600_000, Event::Deadline);
    assert_eq!(polls(&effects).len(), 1, "{effects:?}");
    while rig.client.metrics(rig.now).missed_heartbeats == 0 {
        rig.at_deadline();
    }
    let silent = rig.client.metrics(rig.now);
    assert_eq!(silent.missed_heartbeats, 1);
}

#[test]
fn other_subscriptions_replace_the_held_poll_once_a_turn() {
    let mut rig = polling();
    let connection = ConnectionId(3);
    rig.handle(Event::Answered { connection });
    for topic in ["a", "b"] {
        assert_eq!(sent(&rig.subscribe(topic, From::Live).1), "");
    }
    assert!(rig.client.deadline().unwrap() <= rig.now, "due at once");
    let effects = rig.handle(Event::Deadline);
    let [poll] = polls(&effects)[..] else {
        panic!("{effects:?}");
    };
    assert!(poll.ends_with("\nsub 1 a live\nsub 2 b live"), "{poll}");
    assert!(rig.client.deadline().unwrap() > rig.now);
}

#[test]
fn t2_other_subscriptions_need_another_stream_which_takes_over_when_it_is_welcomed() {
    let mut rig = rig(Some(EventSource));
    rig.handle(Event::Start);
    rig.handle(Event::Opened {
        connection: ConnectionId(1),
    });
    welcome(&mut rig, 1);
    rig.subscribe("a", From::Live);
    let effects = rig.handle(Event::Deadline);
    assert_eq!(opened(&effects), [(2, EventSource)]);
    assert_eq!(abandoned(&effects), [0; 0]);
    rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    assert_eq!(abandoned(&welcome(&mut rig, 2)), [1]);
    assert_eq!(rig.client.metrics(rig.now).transport_switches, 0);
}

#[test]
fn a15_s45_moving_up_is_make_before_break_and_nothing_is_lost_or_doubled() {
    let mut rig = rig(Some(LongPoll));
    let (no, _) = rig.subscribe("a", From::Start);
    rig.handle(Event::Start);
    let poll = ConnectionId(1);
    welcome(&mut rig, 1);
    rig.record(poll, &format!("subscribed 1 {EPOCH} 0 7 0"));
    rig.messages(poll, no, 1, 3);
    rig.handle(Event::Answered { connection: poll });
    let begun = rig.now;
    let mut looked = Vec::new();
    while looked.is_empty() {
        looked = opened(&rig.at_deadline());
    }
    assert_eq!(looked, [(2, WebSocket)]);
    assert!(rig.now.since(begun) <= 30_000);
    let socket = ConnectionId(2);
    let hello = sent(&rig.handle(Event::Opened { connection: socket }));
    assert!(hello.ends_with(&format!("sub 1 a {EPOCH}/3/3")), "{hello}");
    // Meanwhile the old one delivers.
    rig.messages(poll, no, 4, 1);
    rig.publish("a");
    let effects = welcome(&mut rig, 2);
    assert_eq!(abandoned(&effects), [1]);
    assert!(
        sent(&effects).contains(" 1 0 a "),
        "the open publication goes over the new one: {effects:?}"
    );
    rig.record(socket, &format!("subscribed 1 {EPOCH} 3 3 5"));
    assert_eq!(rig.messages(poll, no, 5, 1).1, [], "the old one is stale");
    let (run, effects) = rig.messages(socket, no, 4, 2);
    assert_eq!(effects, [Effect::Deliver { no, run, skip: 1 }]);
}

#[test]
fn a_look_for_better_that_fails_leaves_the_connection_as_it_is() {
    let mut rig = polling();
    rig.handle(Event::Answered {
        connection: ConnectionId(3),
    });
    let mut looks = 0;
    for second in 1..=120 {
        for (id, _) in opened(&rig.after(1_000, Event::Deadline)) {
            looks += 1;
            rig.lose(ConnectionId(id), 1006);
        }
        if second % 20 == 0 {
            rig.handle(Event::Answered {
                connection: ConnectionId(3),
            });
        }
        assert_eq!(transport(&rig), LongPoll);
    }
    assert!((4..=12).contains(&looks), "{looks} looks in two minutes");
    assert!(rig.client.metrics(rig.now).degraded_ms >= 120_000);
}

#[test]
fn a_connection_lost_while_a_better_one_opens_goes_on_with_that() {
    let mut rig = polling();
    let connection = ConnectionId(3);
    rig.handle(Event::Answered { connection });
    while opened(&rig.at_deadline()).is_empty() {}
    rig.lose(connection, 1006);
    assert_eq!(transport(&rig), WebSocket, "an attempt is under way");
    rig.handle(Event::Opened {
        connection: ConnectionId(4),
    });
    welcome(&mut rig, 4);
    assert_eq!(transport(&rig), WebSocket);
}

#[test]
fn t4_a_close_record_ends_a_stream_as_a_close_frame_does() {
    let mut rig = polling();
    let effects = rig.record(ConnectionId(3), "close 1001 going_away maintenance");
    assert_eq!(abandoned(&effects), [3]);
    let Status::Waiting { reason, .. } = rig.client.status() else {
        panic!("{:?}", rig.client.status());
    };
    assert_eq!(
        (reason.close_code, reason.detail.as_str()),
        (1001, "going_away maintenance")
    );
}

#[test]
fn t6_a_hub_that_turns_a_transport_off_is_asked_over_another() {
    let mut rig = rig(None);
    rig.handle(Event::Start);
    rig.lose(ConnectionId(1), 4010);
    rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    rig.record(
        ConnectionId(2),
        "welcome s1 1 transports=eventsource,longpoll",
    );
    assert_eq!(transport(&rig), EventSource);
    for _ in 0..10 {
        rig.record(ConnectionId(2), "ping 1");
        let effects = rig.after(10_000, Event::Deadline);
        assert_eq!(opened(&effects), [], "there is nothing better");
    }
}

#[test]
fn a_hub_that_wants_nobody_back_ends_the_race_whatever_else_is_open() {
    let mut rig = rig(Some(WebSocket));
    rig.handle(Event::Start);
    rig.lose(ConnectionId(1), 4500);
    assert!(matches!(rig.client.status(), Status::Closed { .. }));
}

#[test]
fn c29_after_two_failed_attempts_the_next_address_has_its_turn() {
    let mut rig = Rig::new(&Config {
        addresses: 2,
        ..Config::default()
    });
    let address = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Open { address, .. } => Some(*address),
            _ => None,
        })
    };
    let mut addresses = vec![address(&rig.handle(Event::Start)).unwrap()];
    for attempt in 1..=5 {
        rig.lose(ConnectionId(attempt), 1006);
        addresses.push(address(&rig.at_deadline()).unwrap());
    }
    assert_eq!(addresses, [0, 0, 1, 1, 0, 0]);
}

#[test]
fn s53_waking_up_probes_an_open_connection_and_hurries_a_waiting_one() {
    let mut rig = rig(Some(EventSource));
    rig.handle(Event::Start);
    rig.handle(Event::Opened {
        connection: ConnectionId(1),
    });
    welcome(&mut rig, 1);
    rig.handle(Event::Woke);
    assert_eq!(
        opened(&rig.handle(Event::Deadline)),
        [(2, EventSource)],
        "a stream is asked anew"
    );
    rig.lose(ConnectionId(2), 1006);
    rig.lose(ConnectionId(1), 1006);
    rig.handle(Event::Woke);
    assert!(rig.client.deadline().unwrap().since(rig.now) <= 250);
}

/// A subscription made while a look for something better hangs, as a WebSocket that a network
/// swallows does.
#[test]
fn f14_another_subscription_over_a_stream_does_not_wait_for_a_look_that_hangs() {
    let mut rig = Rig::new(&Config {
        transports: vec![WebSocket, EventSource],
        worked: Some(EventSource),
        ..Config::default()
    });
    rig.handle(Event::Start);
    rig.greet();
    while opened(&rig.at_deadline()) != [(2, WebSocket)] {}
    let begun = rig.now;
    rig.subscribe("a", From::Live);
    let mut effects = rig.at_deadline();
    while opened(&effects).is_empty() {
        effects = rig.at_deadline();
    }
    assert_eq!(opened(&effects), [(3, EventSource)]);
    assert_eq!(abandoned(&effects), [2], "the look is over");
    assert!(rig.now.since(begun) <= HEAD_START_MS);
    rig.handle(Event::Opened {
        connection: ConnectionId(3),
    });
    welcome(&mut rig, 3);
    while opened(&rig.at_deadline()) != [(4, WebSocket)] {}
    assert!(rig.now.since(begun) <= 30_000, "it is looked for again");
}
