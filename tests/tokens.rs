//! What the client does with tokens, in virtual time: asked first, renewed in time, once more after
//! a refusal, never in a loop.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Rig, sent};
use longhaul::config::Config;
use longhaul::ids::{ConnectionId, From};
use longhaul::{Effect, Event, Status, TokenReason, Transport};

const HOUR_MS: u64 = 3_600_000;

fn rig(transports: &[Transport]) -> Rig {
    Rig::new(&Config {
        has_tokens: true,
        transports: transports.to_vec(),
        seed: 7,
        ..Config::default()
    })
}

fn asked(effects: &[Effect]) -> Option<TokenReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::AskToken { reason } => Some(*reason),
        _ => None,
    })
}

fn opened(effects: &[Effect]) -> Option<ConnectionId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Open { connection, .. } => Some(*connection),
        _ => None,
    })
}

fn give(rig: &mut Rig, text: &str, lives_ms: Option<u64>) -> Vec<Effect> {
    rig.handle(Event::Token { text, lives_ms })
}

fn fail(rig: &mut Rig) -> Vec<Effect> {
    rig.handle(Event::NoToken {
        detail: "signed out",
        is_refusal: true,
    })
}

/// The app could not ask.
fn cut_off(rig: &mut Rig) -> Vec<Effect> {
    rig.handle(Event::NoToken {
        detail: "Failed to fetch",
        is_refusal: false,
    })
}

/// A client on a socket, with a token that lives for so long.
fn connected(lives_ms: Option<u64>) -> (Rig, ConnectionId) {
    let mut rig = rig(&[]);
    assert_eq!(asked(&rig.handle(Event::Start)), Some(TokenReason::Initial));
    let connection = opened(&give(&mut rig, "t1", lives_ms)).unwrap();
    rig.greet();
    (rig, connection)
}

fn is_unauthorized(rig: &Rig, code: u16) -> bool {
    matches!(rig.client.status(), Status::Unauthorized { reason } if reason.close_code == code)
}

#[test]
fn the_first_attempt_waits_for_the_token_and_shows_it_in_the_hello() {
    let mut rig = rig(&[]);
    let effects = rig.handle(Event::Start);
    assert_eq!(opened(&effects), None);
    assert!(matches!(rig.client.status(), Status::Connecting { .. }));
    let connection = opened(&give(&mut rig, "t1", None)).unwrap();
    let effects = rig.handle(Event::Opened { connection });
    assert!(sent(&effects).contains(" token=t1"), "{}", sent(&effects));
}

#[test]
fn what_is_posted_shows_its_token_in_a_header_and_not_in_its_body() {
    let mut rig = rig(&[Transport::LongPoll]);
    rig.handle(Event::Start);
    let effects = give(&mut rig, "t1", None);
    let records = effects.iter().find_map(|effect| match effect {
        Effect::Open { records, .. } => Some(records.as_str()),
        _ => None,
    });
    assert!(!records.unwrap().contains("t1"));
    assert_eq!(rig.client.token(), Some("t1"));
}

#[test]
fn c9_a_connections_token_is_renewed_before_its_end_without_a_new_connection() {
    let (mut rig, connection) = connected(Some(HOUR_MS));
    let mut reason = None;
    while reason.is_none() {
        let effects = rig.at_deadline();
        reason = asked(&effects);
        let t = rig.now.0;
        rig.record(connection, &format!("pong {t}"));
    }
    assert_eq!(reason, Some(TokenReason::Expiring));
    let left = HOUR_MS - (rig.now.0 - 1_000_000);
    assert!((20_000..=40_000).contains(&left), "{left} ms left");
    assert_eq!(sent(&give(&mut rig, "t2", Some(HOUR_MS))), "auth t2");
    assert!(matches!(rig.client.status(), Status::Connected { .. }));
}

#[test]
fn c9_a_stream_is_renewed_by_another_stream_and_a_poll_by_the_next_one() {
    let mut rig = rig(&[Transport::LongPoll]);
    rig.handle(Event::Start);
    let connection = opened(&give(&mut rig, "t1", Some(HOUR_MS))).unwrap();
    rig.record(connection, "welcome s1 1");
    rig.handle(Event::Answered { connection });
    give(&mut rig, "t2", Some(HOUR_MS));
    let effects = rig.at_deadline();
    assert!(
        matches!(effects.as_slice(), [Effect::Poll { .. }]),
        "{effects:?}"
    );
}

#[test]
fn a_token_about_to_end_is_replaced_before_a_reconnect() {
    let (mut rig, connection) = connected(Some(HOUR_MS));
    rig.now = rig.now.plus(HOUR_MS - 50_000);
    rig.lose(connection, 1006);
    let effects = rig.at_deadline();
    assert_eq!(asked(&effects), Some(TokenReason::Expiring));
    assert_eq!(opened(&effects), None);
    assert!(opened(&give(&mut rig, "t2", Some(HOUR_MS))).is_some());
}

#[test]
fn s53_after_two_hours_of_sleep_the_token_is_renewed_first_and_one_connection_made() {
    let (mut rig, connection) = connected(Some(HOUR_MS));
    let effects = rig.handle(Event::Slept { ms: 2 * HOUR_MS });
    assert_eq!(asked(&effects), Some(TokenReason::Expiring));
    assert!(
        sent(&effects).starts_with("ping "),
        "and the socket is probed"
    );
    give(&mut rig, "t2", Some(HOUR_MS));
    // The socket is dead: nothing answers the probe.
    let begun = rig.now;
    while rig.client.metrics(rig.now).attempts < 2 {
        let effects = rig.at_deadline();
        assert_eq!(asked(&effects), None);
    }
    assert!(
        rig.now.since(begun) <= 4_000 + 1_000,
        "{}",
        rig.now.since(begun)
    );
    assert_ne!(connection, ConnectionId(2));
    let effects = rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    assert!(sent(&effects).contains(" token=t2"));
    rig.record(ConnectionId(2), "welcome s1 1");
    assert!(matches!(rig.client.status(), Status::Connected { .. }));
    assert_eq!(rig.client.metrics(rig.now).reconnects, 1);
}

#[test]
fn a_refusal_leads_to_one_fresh_token_at_once_and_a_second_one_to_unauthorized() {
    let (mut rig, connection) = connected(None);
    // Long after the first call, so that it is not their number a minute that forbids one.
    rig.now = rig.now.plus(HOUR_MS);
    let effects = rig.lose(connection, 4401);
    assert_eq!(asked(&effects), Some(TokenReason::Rejected));
    assert!(matches!(rig.client.status(), Status::Connecting { .. }));
    let second = opened(&give(&mut rig, "t2", None)).unwrap();
    assert_eq!(asked(&rig.lose(second, 4401)), None);
    assert!(is_unauthorized(&rig, 4401));
    assert!(rig.client.deadline().unwrap().since(rig.now) >= 30_000);
}

#[test]
fn unauthorized_is_left_with_a_fresh_token_and_what_waited_is_sent() {
    let (mut rig, connection) = connected(None);
    rig.subscribe("a", From::Live);
    rig.lose(connection, 4401);
    rig.publish("a");
    fail(&mut rig);
    assert!(
        is_unauthorized(&rig, 4401),
        "the hub's word stays the reason"
    );
    assert_eq!(asked(&rig.at_deadline()), Some(TokenReason::Rejected));
    assert!(
        is_unauthorized(&rig, 4401),
        "asking changes nothing that users see"
    );
    let connection = opened(&give(&mut rig, "t3", None)).unwrap();
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert!(sent(&effects).starts_with("pub "), "{}", sent(&effects));
}

#[test]
fn after_a_login_reconnect_asks_at_once() {
    let (mut rig, connection) = connected(None);
    rig.lose(connection, 4401);
    fail(&mut rig);
    assert_eq!(
        asked(&rig.handle(Event::Reconnect)),
        Some(TokenReason::Rejected)
    );
    assert!(opened(&give(&mut rig, "t3", None)).is_some());
}

#[test]
fn s56_a_token_endpoint_that_is_down_is_asked_twice_a_minute_at_most_and_no_row_is_lost() {
    let (mut rig, connection) = connected(Some(HOUR_MS));
    rig.publish("a");
    rig.now = rig.now.plus(HOUR_MS);
    rig.lose(connection, 1006);
    let mut calls = Vec::new();
    for _ in 0..40 {
        let effects = rig.at_deadline();
        assert_eq!(
            opened(&effects),
            None,
            "no attempt with a token that has ended"
        );
        if asked(&effects).is_some() {
            calls.push(rig.now.0);
            fail(&mut rig);
            let is_stuck = calls.len() > 1;
            assert_eq!(
                is_unauthorized(&rig, 4012),
                is_stuck,
                "call {}",
                calls.len()
            );
        }
    }
    assert!(calls.len() >= 20, "it goes on asking");
    assert!(
        calls.windows(3).all(|three| three[2] - three[0] >= 60_000),
        "{calls:?}"
    );
    assert_eq!(rig.client.outbox_rows(), 1);
    while asked(&rig.at_deadline()).is_none() {}
    let connection = opened(&give(&mut rig, "t2", Some(HOUR_MS))).unwrap();
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert!(sent(&effects).starts_with("pub "));
}

#[test]
fn s56_a_hub_that_says_welcome_and_then_refuses_makes_no_loop() {
    let (mut rig, mut connection) = connected(None);
    let mut calls = vec![rig.now.0];
    for _ in 0..30 {
        let mut effects = rig.lose(connection, 4401);
        while opened(&effects).is_none() {
            if asked(&effects).is_some() {
                calls.push(rig.now.0);
                effects = give(&mut rig, "again", None);
            } else {
                effects = rig.at_deadline();
            }
        }
        connection = opened(&effects).unwrap();
        rig.handle(Event::Opened { connection });
        rig.record(connection, "welcome s1 1");
    }
    assert!(
        calls.windows(3).all(|three| three[2] - three[0] >= 60_000),
        "{calls:?}"
    );
}

#[test]
fn a_token_that_comes_late_is_used_at_once_and_the_app_is_not_asked_twice() {
    let mut rig = rig(&[]);
    rig.handle(Event::Start);
    let effects = rig.at_deadline();
    assert_eq!(asked(&effects), None);
    let Status::Waiting { reason, .. } = rig.client.status() else {
        panic!("{:?}", rig.client.status());
    };
    assert_eq!(reason.close_code, 4012);
    assert!(opened(&give(&mut rig, "t1", None)).is_some());
}

#[test]
fn all_transports_end_with_the_refusal_of_one() {
    let mut rig = rig(&Transport::ALL);
    rig.handle(Event::Start);
    let first = opened(&give(&mut rig, "t1", None)).unwrap();
    let second = opened(&rig.at_deadline()).unwrap();
    let effects = rig.lose(second, 4401);
    assert!(effects.contains(&Effect::Abandon {
        connection: first,
        code: 4006
    }));
    assert_eq!(asked(&effects), Some(TokenReason::Rejected));
}

#[test]
fn a_ticket_that_is_refused_says_nothing_of_the_token() {
    let mut rig = rig(&[Transport::EventSource]);
    rig.handle(Event::Start);
    let connection = opened(&give(&mut rig, "t1", None)).unwrap();
    let effects = rig.handle(Event::Ended {
        connection,
        code: 4401,
        reason: "ticket_invalid too old",
        retry_after_ms: 0,
    });
    assert_eq!(asked(&effects), None);
    assert!(matches!(rig.client.status(), Status::Waiting { .. }));
}

fn is_waiting(rig: &Rig, code: u16) -> bool {
    matches!(rig.client.status(), Status::Waiting { reason, .. } if reason.close_code == code)
}

#[test]
fn f13_an_app_that_can_not_ask_for_a_token_is_waiting_or_offline_for_an_hour_and_never_unauthorized()
 {
    for is_online in [true, false] {
        let mut rig = rig(&[]);
        rig.handle(Event::Start);
        rig.handle(Event::Online(is_online));
        cut_off(&mut rig);
        let mut calls = 1;
        let begun = rig.now;
        while rig.now.since(begun) < HOUR_MS {
            if is_online {
                assert!(is_waiting(&rig, 4012), "{:?}", rig.client.status());
            } else {
                assert_eq!(rig.client.status(), Status::Offline);
            }
            let mut effects = rig.at_deadline();
            while asked(&effects).is_none() {
                effects = rig.at_deadline();
            }
            calls += 1;
            cut_off(&mut rig);
        }
        assert!((60..=120).contains(&calls), "{calls}");
    }
}

#[test]
fn f13_when_the_network_is_back_the_app_is_asked_at_once_however_often_it_was() {
    let mut rig = rig(&[]);
    rig.handle(Event::Online(false));
    rig.handle(Event::Start);
    cut_off(&mut rig);
    while asked(&rig.at_deadline()).is_none() {}
    cut_off(&mut rig);
    let begun = rig.now;
    let mut effects = rig.handle(Event::Online(true));
    while asked(&effects).is_none() {
        effects = rig.at_deadline();
    }
    assert!(rig.now.since(begun) <= 250, "{}", rig.now.since(begun));
    assert!(opened(&give(&mut rig, "t1", None)).is_some());
}

#[test]
fn f13_a_refusal_is_told_when_the_network_is_back_and_not_before() {
    let (mut rig, connection) = connected(None);
    rig.now = rig.now.plus(HOUR_MS);
    rig.lose(connection, 4401);
    cut_off(&mut rig);
    assert!(is_waiting(&rig, 4012), "{:?}", rig.client.status());
    while asked(&rig.at_deadline()).is_none() {}
    fail(&mut rig);
    assert!(is_unauthorized(&rig, 4012));
}

#[test]
fn f13_too_many_calls_in_a_minute_are_no_refusal() {
    let mut rig = rig(&[]);
    rig.handle(Event::Start);
    cut_off(&mut rig);
    // The page wakes again and again, which ends the wait of each.
    for _ in 0..5 {
        rig.after(1_000, Event::Woke);
        if asked(&rig.at_deadline()).is_some() {
            cut_off(&mut rig);
        }
        assert!(is_waiting(&rig, 4012), "{:?}", rig.client.status());
    }
}

#[test]
fn f13_reconnect_asks_again_where_the_app_has_never_answered() {
    let mut rig = rig(&[]);
    assert!(asked(&rig.handle(Event::Start)).is_some());
    rig.now = rig.now.plus(5_000);
    assert!(asked(&rig.handle(Event::Reconnect)).is_some());
    rig.at_deadline();
    assert!(is_waiting(&rig, 4012));
    assert!(asked(&rig.handle(Event::Reconnect)).is_some());
    assert!(
        opened(&give(&mut rig, "t1", None)).is_some(),
        "whichever call it answers"
    );
}
