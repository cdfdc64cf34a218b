//! T7: the few connections that a browser's tabs share for what is held.

use longhaul::Transport::{EventSource, LongPoll, WebSocket};
use longhaul::config::{Config, NO_SLOT_POLL_MS_MAX, NO_SLOT_POLL_MS_MIN, POLL_TIMEOUT_MS};
use longhaul::ids::ConnectionId;
use longhaul::{Effect, Event};

use crate::common::{Rig, abandoned, opened};
use crate::{C1, C2, answer, config, held, holds, places, rest, transport, until};

#[test]
fn t7_a_page_that_goes_to_sleep_gives_its_place_back_and_one_that_waits_keeps_it() {
    let mut rig = Rig::new(&config(Some(LongPoll)));
    assert_eq!(places(&rig.handle(Event::Start)), [true]);
    let effects = rig.lose(C1, 1006);
    assert_eq!(places(&effects), [false; 0]);
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_eq!(places(&effects), [false; 0]);
    rig.record(C2, "welcome s1 1");
    assert_eq!(places(&rig.handle(Event::Suspend)), [false]);
}

#[test]
fn t7_a_race_goes_on_without_the_stream_that_finds_no_place() {
    let mut rig = Rig::new(&config(None));
    rig.handle(Event::Start);
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_eq!(opened(&effects), [(2, EventSource)]);
    let effects = rig.handle(Event::Slot { is_granted: false });
    assert_eq!((abandoned(&effects), opened(&effects)), (vec![2], vec![]));
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_eq!(opened(&effects), [(3, LongPoll)]);
    rig.lose(C1, 1006);
    rig.lose(ConnectionId(3), 1006);
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_ne!(opened(&effects)[0].1, EventSource);
}

#[test]
fn t7_a_stream_that_waits_for_its_turn_in_a_race_loses_it_without_a_place() {
    let mut rig = Rig::new(&config(Some(LongPoll)));
    rig.handle(Event::Start);
    rig.handle(Event::Slot { is_granted: false });
    for _ in 0..10 {
        let effects = rig.at_deadline();
        assert!(
            opened(&effects)
                .iter()
                .all(|(_, each)| *each != EventSource)
        );
    }
}

#[test]
fn t7_a_stream_whose_place_is_taken_away_is_left_for_short_polls() {
    let mut rig = Rig::new(&config(Some(EventSource)));
    rig.handle(Event::Start);
    rig.handle(Event::Opened { connection: C1 });
    rig.record(C1, "welcome s1 1");
    assert_eq!(
        abandoned(&rig.handle(Event::Slot { is_granted: false })),
        [0; 0]
    );
    assert_eq!(opened(&rig.handle(Event::Deadline)), [(2, LongPoll)]);
    assert_eq!(abandoned(&rig.record(C2, "welcome s1 1")), [1]);
    assert_eq!(
        holds(&rig.handle(Event::Answered { connection: C2 })),
        [0; 0]
    );
}

#[test]
fn t7_a_stream_that_keeps_its_polls_from_the_last_connection_is_closed_before_them() {
    let mut rig = Rig::new(&config(Some(EventSource)));
    rig.handle(Event::Start);
    rig.handle(Event::Opened { connection: C1 });
    rig.record(C1, "welcome s1 1");
    rig.handle(Event::Slot { is_granted: false });
    assert_eq!(opened(&rig.handle(Event::Deadline)), [(2, LongPoll)]);
    // Six tabs hold streams: the poll waits in the browser, and is given up.
    let effects = until(&mut rig, |effects| !abandoned(effects).is_empty());
    assert_eq!(abandoned(&effects), [2, 1]);
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_eq!(opened(&effects), [(3, LongPoll)]);
}

#[test]
fn t7_a_stream_that_opens_beside_a_socket_gives_way_too() {
    let mut rig = Rig::new(&Config {
        transports: vec![EventSource, LongPoll, WebSocket],
        worked: Some(WebSocket),
        ..Config::default()
    });
    rig.handle(Event::Start);
    rig.greet();
    let effects = until(&mut rig, |effects| !opened(effects).is_empty());
    assert_eq!(opened(&effects), [(2, EventSource)]);
    assert_eq!(places(&effects), [true]);
    assert_eq!(
        abandoned(&rig.handle(Event::Slot { is_granted: false })),
        [2]
    );
    assert_eq!(transport(&rig), WebSocket);
}

#[test]
fn t7_a_place_is_wanted_for_what_is_held_and_given_back_for_a_socket() {
    let mut rig = Rig::new(&config(None));
    assert_eq!(
        places(&rig.handle(Event::Start)),
        [false; 0],
        "a socket needs none"
    );
    let effects = rig.lose(C1, 1006);
    assert_eq!(opened(&effects), [(2, EventSource)]);
    assert_eq!(places(&effects), [true]);
    rig.handle(Event::Slot { is_granted: true });
    rig.handle(Event::Opened { connection: C2 });
    rig.record(C2, "welcome s1 1");
    until(&mut rig, |effects| !opened(effects).is_empty());
    rig.handle(Event::Opened {
        connection: ConnectionId(3),
    });
    let effects = rig.record(ConnectionId(3), "welcome s1 1");
    assert_eq!(transport(&rig), WebSocket);
    assert_eq!(places(&effects), [false]);
}

#[test]
fn t7_without_a_place_polls_are_short_and_lively_and_with_one_they_are_held() {
    let mut rig = held();
    rig.handle(Event::Slot { is_granted: false });
    assert_eq!(
        holds(&rig.handle(Event::Deadline)),
        [0],
        "in place of the held one"
    );
    let mut rests = Vec::new();
    for _ in 0..8 {
        answer(&mut rig, C1, 1, 0);
        let (ms, effects) = rest(&mut rig);
        assert_eq!(holds(&effects), [0]);
        rests.push(ms);
    }
    let bounds = NO_SLOT_POLL_MS_MIN..=NO_SLOT_POLL_MS_MAX;
    assert!(rests.iter().all(|ms| bounds.contains(ms)), "{rests:?}");
    rig.handle(Event::Slot { is_granted: true });
    assert_eq!(holds(&rig.handle(Event::Deadline)), [POLL_TIMEOUT_MS]);
}

#[test]
fn t7_a_stream_that_finds_no_place_gives_way_to_short_polls_and_comes_when_there_is_one() {
    let mut rig = Rig::new(&config(Some(EventSource)));
    let effects = rig.handle(Event::Start);
    assert_eq!(opened(&effects), [(1, EventSource)]);
    assert_eq!(places(&effects), [true]);
    let effects = rig.handle(Event::Slot { is_granted: false });
    assert_eq!(abandoned(&effects), [1], "before it takes a connection");
    assert_eq!(
        opened(&effects),
        [(2, LongPoll)],
        "what is near to what worked"
    );
    let effects = rig.record(C2, "welcome s1 1 transports=eventsource,longpoll");
    assert!(
        !effects.contains(&Effect::Remember {
            transport: LongPoll
        }),
        "the network is not to blame"
    );
    rig.handle(Event::Answered { connection: C2 });
    let degraded = |rig: &Rig| rig.client.metrics(rig.now.plus(1_000)).degraded_ms;
    assert!(degraded(&rig) >= 1_000);
    for _ in 0..8 {
        let (_, effects) = rest(&mut rig);
        assert_eq!(opened(&effects), [], "no stream without a place");
        rig.record(C2, "welcome s1 1");
        rig.handle(Event::Answered { connection: C2 });
    }
    rig.handle(Event::Slot { is_granted: true });
    assert_eq!(opened(&rig.handle(Event::Deadline)), [(3, EventSource)]);
    rig.handle(Event::Opened {
        connection: ConnectionId(3),
    });
    rig.record(ConnectionId(3), "welcome s1 1");
    assert_eq!(transport(&rig), EventSource);
}

#[test]
fn t7_who_wants_streams_alone_gets_one_without_a_place() {
    let mut rig = Rig::new(&Config {
        transports: vec![EventSource],
        ..Config::default()
    });
    rig.handle(Event::Start);
    assert_eq!(
        abandoned(&rig.handle(Event::Slot { is_granted: false })),
        [0; 0]
    );
    rig.handle(Event::Opened { connection: C1 });
    rig.record(C1, "welcome s1 1");
    assert_eq!(transport(&rig), EventSource);
}
