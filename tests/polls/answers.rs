//! A03, T3, T6, H12: what polls are answered with, if anything.

use longhaul::Transport::{LongPoll, WebSocket};
use longhaul::config::{BUSY_MS, PAUSE_MS_MAX, POLL_TIMEOUT_MS, PROBE_AFTER_MS};
use longhaul::ids::{ConnectionId, From, TopicNo};
use longhaul::{Effect, Event};

use crate::common::{EPOCH, Rig, opened, sent};
use crate::{C1, C2, answer, config, held, holds, quiet, rest, transport, until};

#[test]
fn t3_a_short_poll_whose_answer_is_full_is_followed_at_once() {
    let mut rig = quiet();
    rest(&mut rig);
    rig.record(C1, "welcome s1 1");
    rig.record(C1, &format!("subscribed 1 {EPOCH} 0 0 9"));
    rig.messages(C1, TopicNo(1), 1, 4);
    assert_eq!(holds(&rig.handle(Event::Answered { connection: C1 })), [0]);
    rig.record(C1, "welcome s1 1");
    rig.record(C1, &format!("subscribed 1 {EPOCH} 4 4 9"));
    let effects = rig.handle(Event::Answered { connection: C1 });
    assert_eq!(
        holds(&effects),
        [0; 0],
        "a hub that gives nothing of it is not asked in a loop"
    );
}

#[test]
fn a03_holds_that_are_cut_at_the_same_age_become_shorter_than_it() {
    let mut rig = held();
    let mut connection = C1;
    let mut hold = POLL_TIMEOUT_MS;
    let mut cuts = 0;
    while hold > 10_000 && cuts < 10 {
        rig.now = rig.now.plus(10_000);
        rig.lose(connection, 1006);
        cuts += 1;
        rig.at_deadline();
        connection = ConnectionId(connection.0 + 1);
        hold = holds(&answer(&mut rig, connection, 1, 0))[0];
    }
    assert_eq!(cuts, 2);
    assert!(hold >= 5_000, "{hold}");
    // It is not cut any more, and nobody notices anything.
    for _ in 0..4 {
        rig.now = rig.now.plus(hold);
        assert_eq!(transport(&rig), LongPoll);
        let next = holds(&answer(&mut rig, connection, 1, 0))[0];
        assert!(next >= hold);
        hold = next;
    }
    assert!(hold > 7_500, "and grows again, carefully: {hold}");
}

#[test]
fn a03_a_gateway_that_answers_504_is_a_cut_and_a_hub_that_stops_is_none() {
    for (code, is_learned) in [(4009, true), (1001, false)] {
        let mut rig = held();
        let mut connection = C1;
        let mut hold = POLL_TIMEOUT_MS;
        for _ in 0..3 {
            rig.now = rig.now.plus(8_000);
            rig.lose(connection, code);
            rig.at_deadline();
            connection = ConnectionId(connection.0 + 1);
            hold = holds(&answer(&mut rig, connection, 1, 0))[0];
        }
        assert_eq!(hold < 8_000, is_learned, "{code}: {hold}");
    }
}

#[test]
fn h12_what_a_busy_hub_refused_is_asked_again_ever_more_rarely_and_told_once() {
    let (mut rig, connection) = Rig::connected();
    rig.subscribe("a", From::Live);
    let mut waits = Vec::new();
    for round in 0..9 {
        let effects = rig.record(connection, "refused 1 busy too many topics");
        let told = effects.iter().any(|e| matches!(e, Effect::Refused { .. }));
        assert_eq!(told, round == 0);
        let begun = rig.now;
        let is_asked = (0..100).any(|_| {
            let asked = sent(&rig.at_deadline());
            let t = rig.now.0;
            rig.record(connection, &format!("pong {t}"));
            asked.contains("sub 1 a live")
        });
        assert!(is_asked, "{waits:?}");
        waits.push(rig.now.since(begun));
    }
    assert!((BUSY_MS / 2..=BUSY_MS).contains(&waits[0]), "{waits:?}");
    assert!(waits[8] >= PAUSE_MS_MAX / 2, "{waits:?}");
    assert!(waits.iter().all(|ms| *ms <= PAUSE_MS_MAX), "{waits:?}");
    rig.record(connection, &format!("subscribed 1 {EPOCH} 0 0 0"));
    for _ in 0..5 {
        let asked = sent(&rig.at_deadline());
        assert!(!asked.contains("sub "), "and then no more: {asked}");
        let t = rig.now.0;
        rig.record(connection, &format!("pong {t}"));
    }
}

#[test]
fn h12_polls_leave_out_what_was_refused_until_it_is_asked_again() {
    for (code, comes_again) in [("busy", true), ("forbidden", false)] {
        let mut rig = held();
        rig.subscribe("b", From::Live);
        rig.handle(Event::Deadline);
        rig.record(C1, "welcome s1 1");
        rig.record(C1, &format!("subscribed 1 {EPOCH} 0 0 0"));
        rig.record(C1, &format!("refused 2 {code} no"));
        let asked = |effects: &[Effect]| {
            effects.iter().any(
                |e| matches!(e, Effect::Poll { records, .. } if records.contains("\nsub 2 b live")),
            )
        };
        let effects = rig.handle(Event::Answered { connection: C1 });
        assert_eq!(holds(&effects), [POLL_TIMEOUT_MS]);
        assert!(!asked(&effects), "the hub would answer at once, for ever");
        let effects = rig.at_deadline();
        let again = asked(&effects) || asked(&rig.handle(Event::Deadline));
        assert_eq!(again, comes_again, "{code}");
    }
}

#[test]
fn h12_what_another_connection_gave_is_polled_for_again() {
    let mut rig = held();
    rig.subscribe("b", From::Live);
    rig.handle(Event::Deadline);
    rig.record(C1, "refused 2 forbidden no");
    rig.lose(C1, 1006);
    until(&mut rig, |effects| !opened(effects).is_empty());
    rig.record(C2, "welcome s1 1");
    rig.record(C2, &format!("subscribed 2 {EPOCH} 0 0 0"));
    let effects = rig.handle(Event::Answered { connection: C2 });
    let polled = |effect: &Effect| match effect {
        Effect::Poll { records, .. } => records.contains("\nsub 2 b "),
        _ => false,
    };
    assert!(effects.iter().any(polled), "{effects:?}");
}

/// Found by fuzzing: the look for what had been better until then was due for ever, and the timer
/// spun.
#[test]
fn t6_what_the_hub_serves_no_longer_is_not_looked_for_and_looked_for_again_when_it_is() {
    let mut rig = Rig::new(&config(Some(LongPoll)));
    assert_eq!(opened(&rig.handle(Event::Start)), [(1, LongPoll)]);
    rig.record(C1, "welcome s1 1");
    rig.handle(Event::Answered { connection: C1 });
    rig.record(C1, "welcome s1 1 transports=longpoll");
    rig.handle(Event::Answered { connection: C1 });
    let effects = rig.after(PROBE_AFTER_MS, Event::Deadline);
    assert_eq!(opened(&effects), []);
    assert!(rig.client.deadline().unwrap() > rig.now, "the timer spins");
    rig.record(C1, "welcome s1 1 transports=websocket,longpoll");
    rig.handle(Event::Answered { connection: C1 });
    assert_eq!(opened(&rig.at_deadline()), [(2, WebSocket)]);
}
