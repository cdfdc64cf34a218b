//! A16: a client to whom nothing is urgent lives by short polls.

use longhaul::Transport::{LongPoll, WebSocket};
use longhaul::config::{
    Config, HeartbeatPolicy, IDLE_AFTER_MS, IDLE_POLL_MS_MAX, IDLE_POLL_MS_MIN, OPEN_MS_MAX,
    POLL_TIMEOUT_MS,
};
use longhaul::ids::{ConnectionId, From, TopicNo};
use longhaul::{Effect, Event, Status};

use crate::common::{EPOCH, Rig, abandoned, opened};
use crate::{C1, C2, answer, config, holds, places, quiet, rest, transport, until};

#[test]
fn a16_while_all_is_passive_the_client_lives_by_short_polls_and_opens_nothing_else() {
    let mut rig = quiet();
    let mut rests = Vec::new();
    for _ in 0..10 {
        let (ms, effects) = rest(&mut rig);
        assert_eq!(opened(&effects), []);
        assert_eq!(holds(&effects), [0]);
        answer(&mut rig, C1, 1, 0);
        rests.push(ms);
    }
    let bounds = IDLE_POLL_MS_MIN..=IDLE_POLL_MS_MAX;
    assert!(rests.iter().all(|ms| bounds.contains(ms)), "{rests:?}");
    assert!(rests[9] > 2 * rests[0], "they grow: {rests:?}");
    rest(&mut rig);
    answer(&mut rig, C1, 1, 3);
    let (ms, _) = rest(&mut rig);
    assert!(ms <= IDLE_POLL_MS_MIN * 5 / 4, "news is followed up: {ms}");
}

#[test]
fn a16_a_client_at_rest_is_connected_and_neither_degraded_nor_remembered() {
    let mut rig = Rig::new(&config(None));
    rig.subscribe_as("a", From::Live, true);
    let effects = rig.handle(Event::Start);
    assert_eq!(places(&effects), [false; 0], "nothing will be held");
    let effects = rig.record(C1, "welcome s1 1");
    let is_remembered = |effect: &Effect| matches!(effect, Effect::Remember { .. });
    assert!(!effects.iter().any(is_remembered), "{effects:?}");
    assert_eq!(places(&effects), [false; 0], "nothing is held");
    rig.handle(Event::Answered { connection: C1 });
    for _ in 0..5 {
        rest(&mut rig);
        answer(&mut rig, C1, 1, 0);
    }
    assert_eq!(transport(&rig), LongPoll);
    let metrics = rig.client.metrics(rig.now);
    assert_eq!((metrics.degraded_ms, metrics.missed_heartbeats), (0, 0));
}

#[test]
fn a16_waking_up_asks_at_once_and_so_does_a_timer_that_fires_late() {
    let mut rig = quiet();
    assert_eq!(holds(&rig.handle(Event::Woke)), [0]);
    answer(&mut rig, C1, 1, 0);
    let effects = rig.after(7_200_000, Event::Deadline);
    assert_eq!(holds(&effects), [0], "once");
}

#[test]
fn a16_a_poll_that_gets_no_answer_is_given_up() {
    let mut rig = quiet();
    rest(&mut rig);
    let effects = until(&mut rig, |effects| !abandoned(effects).is_empty());
    assert_eq!(holds(&effects), [0; 0]);
    assert_eq!(rig.client.metrics(rig.now).missed_heartbeats, 1);
    assert!(matches!(rig.client.status(), Status::Waiting { .. }));
}

#[test]
fn a16_an_ack_in_the_middle_of_a_rest_does_not_make_the_silence_after_it_suspicious() {
    let mut rig = quiet();
    for _ in 0..10 {
        rest(&mut rig);
        answer(&mut rig, C1, 1, 0);
        let producer = rig.client.producer().to_owned();
        rig.record(C1, &format!("ack {producer} 1 {EPOCH} 1 0"));
    }
    assert_eq!(rig.client.metrics(rig.now).missed_heartbeats, 0);
    assert_eq!(transport(&rig), LongPoll);
}

#[test]
fn a16_a_look_that_is_under_way_ends_when_nothing_is_urgent_any_more() {
    let mut rig = quiet();
    let (live, _) = rig.subscribe("b", From::Live);
    assert_eq!(opened(&rig.handle(Event::Deadline)), [(2, WebSocket)]);
    rig.handle(Event::Unsubscribe { no: live });
    let begun = rig.now;
    rig.now = rig.now.plus(OPEN_MS_MAX - 1);
    rig.handle(Event::Passive {
        no: TopicNo(1),
        is_passive: true,
    });
    rig.handle(Event::Opened { connection: C2 });
    let effects = until(&mut rig, |effects| !abandoned(effects).is_empty());
    assert_eq!(abandoned(&effects), [2]);
    assert_eq!(rig.now.since(begun), IDLE_AFTER_MS);
    assert_eq!(opened(&rig.handle(Event::Deadline)), []);
    assert_eq!(transport(&rig), LongPoll);
}

#[test]
fn a16_b19_a_live_subscription_holds_the_poll_and_moves_up_at_once_and_back_after_a_while() {
    let mut rig = quiet();
    let (live, _) = rig.subscribe("b", From::Live);
    assert!(rig.client.deadline().unwrap() <= rig.now);
    let effects = rig.handle(Event::Deadline);
    assert_eq!(holds(&effects), [POLL_TIMEOUT_MS], "live from here on");
    assert_eq!(opened(&effects), [(2, WebSocket)]);
    rig.handle(Event::Opened { connection: C2 });
    assert_eq!(abandoned(&rig.record(C2, "welcome s1 1")), [1]);
    assert_eq!(transport(&rig), WebSocket);
    assert_eq!(rig.client.metrics(rig.now.plus(9)).degraded_ms, 0);

    rig.handle(Event::Unsubscribe { no: live });
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), IDLE_AFTER_MS);
    let effects = rig.at_deadline();
    assert_eq!(opened(&effects), [(3, LongPoll)]);
    let effects = answer(&mut rig, ConnectionId(3), 1, 0);
    assert_eq!(holds(&effects), [0; 0]);
    assert_eq!(transport(&rig), LongPoll);
    let metrics = rig.client.metrics(rig.now.plus(99));
    assert_eq!((metrics.degraded_ms, metrics.transport_switches), (0, 2));
}

#[test]
fn a16_a_page_that_changes_keeps_its_connection() {
    let mut rig = Rig::new(&Config {
        heartbeat: Some(HeartbeatPolicy {
            interval_ms: 3_600_000,
            timeout_ms: 10_000,
        }),
        ..config(None)
    });
    rig.subscribe_as("a", From::Live, true);
    let (live, _) = rig.subscribe("b", From::Live);
    assert_eq!(opened(&rig.handle(Event::Start)), [(1, WebSocket)]);
    rig.greet();
    let mut last = live;
    for _ in 0..5 {
        rig.handle(Event::Unsubscribe { no: last });
        assert_eq!(opened(&rig.after(IDLE_AFTER_MS - 1, Event::Deadline)), []);
        last = rig.subscribe("c", From::Live).0;
    }
    rig.handle(Event::Passive {
        no: last,
        is_passive: true,
    });
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_eq!(opened(&effects), [(2, LongPoll)], "in the end it moves");
}

#[test]
fn a16_nothing_is_asked_while_a_hub_wants_to_be_left_alone_and_the_status_says_how_long() {
    let mut rig = quiet();
    rest(&mut rig);
    let effects = rig.handle(Event::Ended {
        connection: C1,
        code: 1013,
        reason: "",
        retry_after_ms: 90_000,
    });
    assert_eq!(opened(&effects), []);
    let Status::Waiting {
        reason, retry_at, ..
    } = rig.client.status()
    else {
        panic!("{:?}", rig.client.status());
    };
    assert_eq!(reason.detail, " retry=90000");
    assert!(retry_at.since(rig.now) >= 90_000);
    assert_eq!(opened(&rig.at_deadline()), [(2, LongPoll)]);
}

#[test]
fn a16_where_polls_do_not_get_through_another_transport_has_its_turn() {
    let mut rig = Rig::new(&config(None));
    rig.subscribe_as("a", From::Live, true);
    let mut tried = opened(&rig.handle(Event::Start));
    for attempt in 1..=2 {
        assert_eq!(
            opened(&rig.lose(ConnectionId(attempt), 4010)),
            [],
            "no race"
        );
        tried.extend(opened(&rig.at_deadline()));
    }
    assert_eq!(tried, [(1, LongPoll), (2, LongPoll), (3, WebSocket)]);
}
