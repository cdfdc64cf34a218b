//! Every state of the connection against every event, and what holds over any history.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::fmt::Write;

use common::{EPOCH, Rig};
use longhaul::config::{BACKOFF_FLOOR_MS as FLOOR_MS, BackoffPolicy, Config, Jitter};
use longhaul::ids::{ConnectionId, From, TopicNo};
use longhaul::{Effect, Event, Status};
use proptest::prelude::*;

const CURRENT: ConnectionId = ConnectionId(1);
const STALE: ConnectionId = ConnectionId(99);

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

/// A client in each state, by how it gets there. Connection 1 is the current one where there is
/// one.
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
                retry_after_ms: 0,
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
            // "Current" events mean connection 1 in the table; here, the peer ends whatever is
            // open.
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
