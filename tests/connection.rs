//! One connection over a socket: hello, heartbeat, backoff, reconnect and metrics.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Rig, sent};
use longhaul::config::{BACKOFF_DECAY_MS as DECAY_MS, HeartbeatPolicy};
use longhaul::config::{BackoffPolicy, Config, Jitter, OPEN_MS_MAX, WELCOME_MS_MAX};
use longhaul::ids::{ConnectionId, From};
use longhaul::{Effect, Event, Reason, Status, Summary};

const CURRENT: ConnectionId = ConnectionId(1);

fn opens(effects: &[Effect], wanted: ConnectionId) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Open { connection, .. } if *connection == wanted))
}

fn shown(rig: &Rig) -> String {
    match rig.client.status() {
        Status::Connecting { attempt, .. } => format!("connecting {attempt}"),
        Status::Connected { rtt_ms, .. } => format!("connected {rtt_ms:?}"),
        Status::Waiting {
            attempt,
            retry_at,
            reason,
            ..
        } => format!(
            "waiting {attempt} for {} after {}",
            retry_at.since(rig.now),
            reason.close_code
        ),
        Status::Offline => "offline".to_owned(),
        Status::Unauthorized { reason } => format!("unauthorized {}", reason.close_code),
        Status::Closed { reason } => format!("closed {}", reason.close_code),
    }
}

fn without_jitter() -> Config {
    Config {
        backoff: BackoffPolicy {
            jitter: Jitter::None,
            ..BackoffPolicy::default()
        },
        ..Config::default()
    }
}

#[test]
fn c2_hello_and_all_subs_go_out_in_one_frame_and_publications_after_the_welcome() {
    let mut rig = Rig::new(&Config::default());
    rig.subscribe("a", From::Live);
    rig.subscribe("b", From::Start);
    rig.publish("a");
    rig.handle(Event::Start);
    let effects = rig.handle(Event::Opened {
        connection: CURRENT,
    });
    assert_eq!(effects.len(), 1);
    assert!(sent(&effects).starts_with("hello 1 client=longhaul/"));
    assert!(sent(&effects).ends_with("\nsub 1 a live\nsub 2 b start"));
    let effects = rig.record(CURRENT, "welcome s1 1");
    let [
        Effect::Remember { .. },
        Effect::StatusChanged,
        Effect::SendPublication { .. },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
}

#[test]
fn b2_the_hub_sets_the_heartbeat_unless_the_options_do() {
    let (mut rig, connection) = Rig::connected();
    let default = rig.client.deadline().unwrap();
    assert_eq!(default.since(rig.now), 25_000);
    rig.lose(connection, 1006);
    rig.at_deadline();
    let connection = ConnectionId(2);
    rig.handle(Event::Opened { connection });
    rig.record(connection, "welcome s1 1 ping=5000 wait=1000");
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 5_000);
}

#[test]
fn b2_a_heartbeat_of_the_options_stands_whatever_the_hub_says() {
    let heartbeat = HeartbeatPolicy {
        interval_ms: 3_000,
        timeout_ms: 700,
    };
    let mut rig = Rig::new(&Config {
        heartbeat: Some(heartbeat),
        ..Config::default()
    });
    rig.handle(Event::Start);
    rig.handle(Event::Opened {
        connection: CURRENT,
    });
    rig.record(CURRENT, "welcome s1 1 ping=5000 wait=1000");
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 3_000);
    rig.at_deadline();
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 700);
}

#[test]
fn c05_reconnect_tries_now_and_forgets_the_backoff() {
    let mut rig = Rig::new(&without_jitter());
    rig.handle(Event::Start);
    for attempt in 1..=5 {
        rig.lose(ConnectionId(attempt), 1006);
        rig.at_deadline();
    }
    rig.lose(ConnectionId(6), 1006);
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 30_000);
    let effects = rig.handle(Event::Reconnect);
    assert!(opens(&effects, ConnectionId(7)));
    assert_eq!(shown(&rig), "connecting 1");
    rig.lose(ConnectionId(7), 1006);
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 1_000);
}

#[test]
fn back_online_brings_the_attempt_forward_and_never_puts_it_off() {
    let mut rig = Rig::new(&without_jitter());
    rig.handle(Event::Start);
    rig.lose(CURRENT, 1006);
    rig.handle(Event::Online(false));
    rig.now = rig.now.plus(999);
    rig.handle(Event::Online(true));
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 1);
    rig.handle(Event::Deadline);
    rig.at_deadline();
    rig.lose(ConnectionId(2), 1006);
    rig.handle(Event::Online(false));
    rig.handle(Event::Online(true));
    assert!(rig.client.deadline().unwrap().since(rig.now) <= 250);
}

#[test]
fn a44_metrics_count_reconnects_and_the_time_without_a_connection() {
    let mut rig = Rig::new(&without_jitter());
    rig.handle(Event::Start);
    rig.now = rig.now.plus(40);
    let connection = rig.greet();
    rig.now = rig.now.plus(5_000);
    rig.lose(connection, 1006);
    rig.now = rig.now.plus(600);
    assert_eq!(rig.client.metrics(rig.now).disconnected_ms, 640);
    rig.at_deadline();
    rig.greet();
    rig.now = rig.now.plus(5_000);
    let metrics = rig.client.metrics(rig.now);
    assert_eq!(
        (metrics.connects, metrics.reconnects, metrics.attempts),
        (2, 1, 2)
    );
    assert_eq!(metrics.disconnected_ms, 1_040);
    let recovery = Summary::from(&metrics.recovery_ms);
    assert_eq!((recovery.count, recovery.sum), (1, 1_000));
}

#[test]
fn the_session_of_a_welcome_comes_back_in_the_next_hello() {
    let (mut rig, connection) = Rig::connected();
    rig.lose(connection, 1006);
    rig.at_deadline();
    let effects = rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    assert!(sent(&effects).contains(" session=s1"), "{effects:?}");
}

#[test]
fn c33_a_connection_that_opens_and_dies_before_the_welcome_does_not_reset_the_backoff() {
    let mut rig = Rig::new(&without_jitter());
    rig.handle(Event::Start);
    let mut waits = Vec::new();
    for attempt in 1..=6 {
        let connection = ConnectionId(attempt);
        rig.handle(Event::Opened { connection });
        rig.lose(connection, 1006);
        waits.push(rig.client.deadline().unwrap().since(rig.now));
        rig.at_deadline();
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
    let connection = rig.greet();
    rig.after(2 * DECAY_MS, Event::Deadline);
    rig.lose(connection, 1006);
    let wait = rig.client.deadline().unwrap().since(rig.now);
    assert_eq!(wait, 2_000, "6 failures, halved twice, and this one");
}

#[test]
fn g1_after_a_hundred_failures_the_client_still_tries() {
    let mut rig = Rig::new(&Config::default());
    rig.handle(Event::Start);
    for attempt in 1..=100 {
        rig.lose(ConnectionId(attempt), 1006);
        let effects = rig.at_deadline();
        assert!(opens(&effects, ConnectionId(attempt + 1)));
    }
    assert_eq!(shown(&rig), "connecting 101");
}

#[test]
fn c03_after_twenty_failed_attempts_the_status_says_so_and_they_go_on() {
    let mut rig = Rig::new(&Config::default());
    rig.handle(Event::Start);
    for attempt in 1..=25 {
        rig.lose(ConnectionId(attempt), 1006);
        let Status::Waiting { is_exhausted, .. } = rig.client.status() else {
            panic!("{:?}", rig.client.status());
        };
        assert_eq!(is_exhausted, attempt >= 20, "after {attempt}");
        rig.at_deadline();
    }
}

#[test]
fn a_hub_that_never_answers_is_given_up_by_timestamps() {
    let mut rig = Rig::new(&Config::default());
    rig.handle(Event::Start);
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), OPEN_MS_MAX);
    assert!(rig.at_deadline().contains(&Effect::Abandon {
        connection: CURRENT,
        code: 4003
    }));
    rig.at_deadline();
    rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    assert_eq!(
        rig.client.deadline().unwrap().since(rig.now),
        WELCOME_MS_MAX
    );
    assert!(rig.at_deadline().contains(&Effect::Abandon {
        connection: ConnectionId(2),
        code: 4004
    }));
}

#[test]
fn the_reason_of_a_wait_names_the_code_and_the_peers_words() {
    let (mut rig, connection) = Rig::connected();
    rig.handle(Event::Ended {
        connection,
        code: 4008,
        reason: "slow_consumer 10 s",
        retry_after_ms: 0,
    });
    let Status::Waiting { reason, .. } = rig.client.status() else {
        panic!("{:?}", rig.client.status());
    };
    let wanted = Reason {
        close_code: 4008,
        detail: "slow_consumer 10 s".to_owned(),
    };
    assert_eq!(reason, wanted);
}
