//! Every state of the connection against every event, in virtual time; and what holds over any history.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::fmt::Write;

use common::{EPOCH, Rig, sent};
use longhaul::config::{
    BACKOFF_DECAY_MS as DECAY_MS, BACKOFF_FLOOR_MS as FLOOR_MS, HeartbeatPolicy,
};
use longhaul::config::{BackoffPolicy, Config, Jitter, OPEN_MS_MAX, WELCOME_MS_MAX};
use longhaul::ids::{ConnectionId, From, TopicNo};
use longhaul::{Effect, Event, Reason, Status, Summary};
use proptest::prelude::*;

const CURRENT: ConnectionId = ConnectionId(1);
const STALE: ConnectionId = ConnectionId(99);

fn opens(effects: &[Effect], wanted: ConnectionId) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Open { connection, .. } if *connection == wanted))
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

type WipeScope = fn(&mut Rig);

/// A client in each state, by how it gets there. Connection 1 is the current one where there is one.
fn states() -> Vec<(&'static str, WipeScope)> {
    vec![
        ("unstarted", |_| {}),
        ("opening", |rig| drop(rig.handle(Event::Start))),
        ("awaiting welcome", |rig| {
            rig.handle(Event::Start);
            rig.handle(Event::Opened {
                connection: CURRENT,
            });
        }),
        ("connected", |rig| {
            rig.handle(Event::Start);
            rig.greet();
        }),
        ("connected, awaiting pong", |rig| {
            rig.handle(Event::Start);
            rig.greet();
            rig.at_deadline();
        }),
        ("waiting", |rig| {
            rig.handle(Event::Start);
            rig.lose(CURRENT, 1006);
        }),
        ("waiting, offline", |rig| {
            rig.handle(Event::Start);
            rig.lose(CURRENT, 1006);
            rig.handle(Event::Online(false));
        }),
        ("unauthorized", |rig| {
            rig.handle(Event::Start);
            rig.lose(CURRENT, 4401);
        }),
        ("closed by hub", |rig| {
            rig.handle(Event::Start);
            rig.lose(CURRENT, 4500);
        }),
        ("closed by user", |rig| {
            rig.handle(Event::Start);
            rig.handle(Event::Close);
        }),
    ]
}

type Act = fn(&mut Rig) -> Vec<Effect>;

fn events() -> Vec<(&'static str, Act)> {
    vec![
        ("start", |rig| rig.handle(Event::Start)),
        ("deadline, too early", |rig| rig.handle(Event::Deadline)),
        ("deadline", |rig| match rig.client.deadline() {
            Some(_) => rig.at_deadline(),
            None => rig.after(3_600_000, Event::Deadline),
        }),
        ("deadline, an hour late", |rig| {
            rig.after(3_600_000, Event::Deadline)
        }),
        ("opened", |rig| {
            rig.handle(Event::Opened {
                connection: CURRENT,
            })
        }),
        ("opened, stale", |rig| {
            rig.handle(Event::Opened { connection: STALE })
        }),
        ("welcome", |rig| rig.record(CURRENT, "welcome s2 1")),
        ("welcome, stale", |rig| rig.record(STALE, "welcome s2 1")),
        ("ping", |rig| rig.record(CURRENT, "ping 5")),
        ("pong", |rig| {
            let t = rig.now.0;
            rig.record(CURRENT, &format!("pong {t}"))
        }),
        ("subscribed", |rig| {
            rig.record(CURRENT, &format!("subscribed 7 {EPOCH} 0 0 0"))
        }),
        ("a record that is none", |rig| rig.record(CURRENT, "<html>")),
        ("a binary frame", |rig| {
            rig.handle(Event::Garbage {
                connection: CURRENT,
                what: "a binary frame",
            })
        }),
        ("messages", |rig| rig.messages(CURRENT, TopicNo(7), 1, 1).1),
        ("ended 1006", |rig| rig.lose(CURRENT, 1006)),
        ("ended 4500", |rig| rig.lose(CURRENT, 4500)),
        ("ended 4401", |rig| rig.lose(CURRENT, 4401)),
        ("ended, stale", |rig| rig.lose(STALE, 4500)),
        ("subscribe", |rig| rig.subscribe("a", From::Live).1),
        ("unsubscribe", |rig| {
            rig.handle(Event::Unsubscribe { no: TopicNo(7) })
        }),
        ("publish", |rig| rig.publish("a")),
        ("offline", |rig| rig.handle(Event::Online(false))),
        ("online", |rig| rig.handle(Event::Online(true))),
        ("reconnect", |rig| rig.handle(Event::Reconnect)),
        ("woke", |rig| rig.handle(Event::Woke)),
        ("slept", |rig| rig.handle(Event::Slept { ms: 7_200_000 })),
        ("suspend", |rig| rig.handle(Event::Suspend)),
        ("a token", |rig| {
            rig.handle(Event::Token {
                text: "t",
                lives_ms: None,
            })
        }),
        ("no token", |rig| {
            rig.handle(Event::NoToken {
                detail: "signed out",
                is_refusal: true,
            })
        }),
        ("passive", |rig| {
            rig.handle(Event::Passive {
                no: TopicNo(7),
                is_passive: true,
            })
        }),
        ("no place", |rig| {
            rig.handle(Event::Slot { is_granted: false })
        }),
        ("answered", |rig| {
            rig.handle(Event::Answered {
                connection: CURRENT,
            })
        }),
        ("a post failed", |rig| {
            rig.handle(Event::PostFailed {
                connection: CURRENT,
                floor_ms: 0,
            })
        }),
        ("close record", |rig| {
            rig.record(CURRENT, "close 1001 going_away soon")
        }),
        ("close", |rig| rig.handle(Event::Close)),
    ]
}

/// The whole table, as text: `tests/fixtures/states.txt` is the reviewed one.
#[test]
fn every_state_meets_every_event_as_reviewed() {
    let mut table = String::new();
    for (state, reach) in states() {
        writeln!(table, "{state}").unwrap();
        for (event, act) in events() {
            let mut rig = Rig::new(&without_jitter());
            reach(&mut rig);
            let effects = act(&mut rig);
            let status = shown(&rig);
            let effects: Vec<String> = effects.iter().map(brief).collect();
            writeln!(table, "  {event:<24} {status:<32} {}", effects.join(" | ")).unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/states.txt");
    if std::env::var_os("LONGHAUL_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap();
    for (now, then) in table.lines().zip(reviewed.lines()) {
        assert_eq!(now, then, "run with LONGHAUL_BLESS=1 and review the change");
    }
    assert_eq!(table.lines().count(), reviewed.lines().count());
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

fn brief(effect: &Effect) -> String {
    match effect {
        Effect::Open { connection, .. } => format!("open {}", connection.0),
        Effect::Remember { .. } => "remember".to_owned(),
        Effect::Abandon { connection, code } => format!("abandon {} {code}", connection.0),
        Effect::Send { records, .. } => {
            format!("send {:?}", records.split(" client=").next().unwrap())
        }
        Effect::SendPublication { row, .. } => format!("send row {}", row.map_or(0, |row| row.0)),
        Effect::StatusChanged => "status".to_owned(),
        Effect::RowAssigned { row, .. } => format!("queued {}", row.0),
        Effect::PublishRefused { why, .. } => format!("refused {why:?}"),
        other => format!("{other:?}"),
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
        floor_ms: 0,
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

#[test]
fn the_same_seed_and_events_give_the_same_effects() {
    let run = |seed| {
        let mut rig = Rig::new(&Config {
            seed,
            ..Config::default()
        });
        let mut all = rig.handle(Event::Start);
        all.extend(rig.publish("a"));
        for attempt in 1..=5 {
            all.extend(rig.lose(ConnectionId(attempt), 1006));
            all.extend(rig.at_deadline());
        }
        rig.greet();
        (rig.now, rig.client.producer().to_owned(), all)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

proptest! {
    #[test]
    fn over_any_history_there_is_one_connection_at_a_time_and_always_a_way_on(
        seed: u64, steps in prop::collection::vec((0_usize..34, 0_u64..40_000), 1..80),
    ) {
        let mut rig = Rig::new(&Config { seed, ..Config::default() });
        let events = events();
        let mut open: Option<ConnectionId> = None;
        let mut is_started = false;
        for (which, ms) in steps {
            rig.now = rig.now.plus(ms);
            let (name, act) = events.get(which).unwrap();
            if *name == "subscribe" || *name == "close" { continue; }
            is_started |= *name == "start";
            // "Current" events mean connection 1 in the table; here, the peer ends whatever is open.
            let effects = match (*name, open) {
                ("ended 1006", Some(connection)) => { open = None; rig.lose(connection, 1006) }
                ("ended 4401", Some(connection)) => { open = None; rig.lose(connection, 4401) }
                ("opened", Some(connection)) => rig.handle(Event::Opened { connection }),
                ("welcome", Some(connection)) => rig.record(connection, "welcome s2 1"),
                ("ended 1006" | "ended 4401" | "ended 4500", None) | ("ended 4500", _) => continue,
                _ => act(&mut rig),
            };
            for effect in &effects {
                match effect {
                    Effect::Open { connection, .. } => {
                        prop_assert_eq!(open, None, "two at once");
                        open = Some(*connection);
                    }
                    Effect::Abandon { connection, .. } => {
                        prop_assert_eq!(open, Some(*connection));
                        open = None;
                    }
                    Effect::Send { connection, .. } | Effect::SendPublication { connection, .. } => {
                        prop_assert_eq!(open, Some(*connection));
                    }
                    _ => {}
                }
            }
            prop_assert!(!is_started || rig.client.deadline().is_some(), "a way on");
            if let Status::Waiting { retry_at, .. } = rig.client.status() {
                prop_assert!(retry_at.since(rig.now) <= 30_000);
                prop_assert!(open.is_none());
            }
        }
    }

    #[test]
    fn the_first_delay_lies_between_the_floor_and_the_base(seed: u64) {
        let mut rig = Rig::new(&Config { seed, ..Config::default() });
        rig.handle(Event::Start);
        rig.lose(CURRENT, 1006);
        let wait = rig.client.deadline().unwrap().since(rig.now);
        prop_assert!((FLOOR_MS..=1_000).contains(&wait));
    }
}
