//! Hidden, asleep, frozen and awake again, in virtual time: what is alive is kept, what is dead is
//! found and replaced.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use Transport::{EventSource, LongPoll, WebSocket};
use common::{EPOCH, Rig, abandoned, opened, polls, sent};
use longhaul::config::{Config, HeartbeatPolicy};
use longhaul::ids::{ConnectionId, From};
use longhaul::{Effect, Event, Status, Time, Transport};

const FIRST: ConnectionId = ConnectionId(1);

/// Connected over connection 1, which is the only transport unless there are `others`.
fn connected(
    transport: Transport,
    others: &[Transport],
    heartbeat: Option<HeartbeatPolicy>,
) -> Rig {
    let mut transports = others.to_vec();
    transports.push(transport);
    let mut rig = Rig::new(&Config {
        transports,
        worked: Some(transport),
        heartbeat,
        ..Config::default()
    });
    rig.handle(Event::Start);
    rig.handle(Event::Opened { connection: FIRST });
    rig.record(FIRST, "welcome s1 1 ping=25000 wait=10000 hold=25000");
    if transport == LongPoll {
        rig.handle(Event::Answered { connection: FIRST });
    }
    rig
}

/// Lets the client's timers fire when they are due, for so long or until something is opened.
fn opened_within(rig: &mut Rig, ms: u64) -> Vec<(u64, Transport)> {
    let until = rig.now.plus(ms);
    while rig.client.deadline().is_some_and(|at| at <= until) {
        rig.now = rig.now.max(rig.client.deadline().unwrap());
        let opened = opened(&rig.handle(Event::Deadline));
        if !opened.is_empty() {
            return opened;
        }
    }
    Vec::new()
}

/// What a hub does with a socket: pings after 25 s in which it sent nothing, gives up after 35 s in
/// which it heard nothing (B3).
struct Hub {
    sent: Time,
    heard: Time,
}

impl Hub {
    fn hears(&mut self, rig: &Rig, effects: &[Effect]) {
        if effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send { .. }))
        {
            self.heard = rig.now;
        }
    }
}

#[test]
fn s52_ten_minutes_hidden_with_a_timer_a_minute_cost_no_socket_on_a_quiet_and_on_a_busy_topic() {
    for message_every_s in [u64::MAX, 10, 1] {
        let mut rig = connected(WebSocket, &[], None);
        let (no, _) = rig.subscribe("a", From::Live);
        rig.record(FIRST, &format!("subscribed 1 {EPOCH} 0 0 0"));
        let mut hub = Hub {
            sent: rig.now,
            heard: rig.now,
        };
        let mut seq = 0;
        for second in 1..=600_u64 {
            rig.now = rig.now.plus(1_000);
            let mut effects = Vec::new();
            // Network events are not throttled, timers are.
            if second % message_every_s == 0 {
                seq += 1;
                effects = rig.messages(FIRST, no, seq, 1).1;
                hub.sent = rig.now;
            } else if rig.now.since(hub.sent) >= 25_000 {
                effects = rig.record(FIRST, "ping 7");
                hub.sent = rig.now;
            }
            if second % 60 == 0 && rig.client.deadline().is_some_and(|at| at <= rig.now) {
                effects.extend(rig.handle(Event::Deadline));
            }
            hub.hears(&rig, &effects);
            let text = sent(&effects);
            if let Some(t) = text.lines().find_map(|record| record.strip_prefix("ping ")) {
                rig.record(FIRST, &format!("pong {t}"));
                hub.sent = rig.now;
            }
            let silence_ms = rig.now.since(hub.heard);
            assert!(
                silence_ms < 35_000,
                "second {second}, a message every {message_every_s} s: the hub heard nothing for {silence_ms} ms"
            );
        }
        let metrics = rig.client.metrics(rig.now);
        assert_eq!((metrics.reconnects, metrics.missed_heartbeats), (0, 0));
    }
}

#[test]
fn s52_a_stream_and_a_poll_that_are_heard_are_kept_however_late_the_timers_are() {
    for transport in [EventSource, LongPoll] {
        let mut rig = connected(transport, &[], None);
        for second in 1..=600_u64 {
            rig.now = rig.now.plus(1_000);
            if second % 25 == 0 {
                match transport {
                    LongPoll => drop(rig.handle(Event::Answered { connection: FIRST })),
                    _ => drop(rig.record(FIRST, "ping 7")),
                }
            }
            if second % 60 == 0 {
                rig.handle(Event::Deadline);
            }
        }
        let metrics = rig.client.metrics(rig.now);
        assert_eq!((metrics.attempts, metrics.missed_heartbeats), (1, 0));
    }
}

#[test]
fn s53_a_sleep_that_only_the_wall_clock_saw_is_followed_by_a_probe_and_a_new_connection_within_5_s()
{
    for transport in Transport::ALL {
        let mut rig = connected(transport, &[], None);
        let woke = rig.now;
        rig.handle(Event::Slept { ms: 7_200_000 });
        if transport == EventSource {
            // Its successor is the probe, and gets no answer either.
            assert_eq!(opened_within(&mut rig, 0), [(2, EventSource)]);
            rig.lose(ConnectionId(2), 1006);
        }
        let [(_, again)] = opened_within(&mut rig, 5_000)[..] else {
            panic!("{transport:?}");
        };
        assert_eq!(again, transport);
        assert!(rig.now.since(woke) <= 5_000);
        // Another stream was tried before the silence had lasted long enough.
        let missed = u64::from(transport != EventSource);
        assert_eq!(rig.client.metrics(rig.now).missed_heartbeats, missed);
    }
}

#[test]
fn s53_an_answer_to_the_probe_keeps_the_connection() {
    let mut rig = connected(WebSocket, &[], None);
    let probe = sent(&rig.handle(Event::Slept { ms: 7_200_000 }));
    let pong = probe.replace("ping", "pong");
    rig.now = rig.now.plus(2_000);
    rig.record(FIRST, &pong);
    assert_eq!(opened_within(&mut rig, 20_000), []);

    let mut rig = connected(LongPoll, &[], None);
    let effects = rig.handle(Event::Slept { ms: 7_200_000 });
    let [poll] = polls(&effects)[..] else {
        panic!("{effects:?}");
    };
    assert!(poll.contains(" hold=0"), "{poll}: an answer at once");
    let effects = rig.after(2_000, Event::Answered { connection: FIRST });
    assert!(polls(&effects)[0].contains(" hold=25000"));
    assert_eq!(opened_within(&mut rig, 30_000), []);

    let mut rig = connected(EventSource, &[], None);
    rig.handle(Event::Slept { ms: 7_200_000 });
    rig.handle(Event::Deadline);
    rig.now = rig.now.plus(2_000);
    rig.lose(ConnectionId(2), 1013);
    let missed = |rig: &Rig| rig.client.metrics(rig.now).missed_heartbeats;
    opened_within(&mut rig, 20_000);
    assert_eq!(
        missed(&rig),
        0,
        "a hub that refuses a second stream is alive"
    );
}

#[test]
fn s53_an_attempt_that_a_sleep_interrupted_begins_anew_at_once() {
    let config = Config {
        transports: vec![WebSocket],
        ..Config::default()
    };
    let mut rig = Rig::new(&config);
    rig.handle(Event::Start);
    rig.now = rig.now.plus(1_000);
    let effects = rig.handle(Event::Slept { ms: 7_200_000 });
    assert_eq!(
        (abandoned(&effects), opened(&effects)),
        (vec![1], vec![(2, WebSocket)])
    );

    // Where the monotonic clock saw the sleep, the timer is late: the failure costs no wait.
    let mut rig = Rig::new(&config);
    rig.handle(Event::Start);
    rig.after(7_200_000, Event::Deadline);
    assert_eq!(opened_within(&mut rig, 250), [(2, WebSocket)]);
}

#[test]
fn r5_s17_waking_up_does_not_end_a_wait_that_the_hub_asked_for_but_a_sleep_counts() {
    let mut rig = connected(WebSocket, &[], None);
    rig.record(
        FIRST,
        "close 1013 try_again_later busy retry=60000 spread=0",
    );
    for event in [Event::Woke, Event::Online(false), Event::Online(true)] {
        rig.handle(event);
        assert!(rig.client.deadline().unwrap().since(rig.now) >= 60_000);
    }
    rig.handle(Event::Slept { ms: 50_000 });
    assert_eq!(rig.client.deadline().unwrap().since(rig.now), 10_000);
}

#[test]
fn s53_a_publication_that_was_never_sent_grows_old_in_a_sleep_too() {
    let mut rig = Rig::new(&Config::default());
    rig.handle(Event::Start);
    rig.publish_with("a", Some(60_000), None);
    rig.publish_with("a", Some(7_300_000), None);
    let effects = rig.handle(Event::Slept { ms: 7_200_000 });
    let settled = |effect: &Effect| matches!(effect, Effect::Outcome { .. });
    assert_eq!(effects.iter().filter(|effect| settled(effect)).count(), 1);
    assert_eq!(rig.client.outbox_rows(), 1);
}

#[test]
fn a_stream_that_died_in_a_sleep_is_left_for_any_transport_that_gets_through() {
    let mut rig = connected(EventSource, &[WebSocket, LongPoll], None);
    rig.handle(Event::Slept { ms: 7_200_000 });
    assert_eq!(opened(&rig.handle(Event::Deadline)), [(2, EventSource)]);
    rig.handle(Event::Opened {
        connection: ConnectionId(2),
    });
    // The new one has its ticket, so it may still say welcome; but others join.
    assert_eq!(opened_within(&mut rig, 5_000), [(3, WebSocket)]);
    assert!(rig.client.deadline().is_some());
}

#[test]
fn a_stream_whose_successor_is_as_silent_is_followed_by_a_new_request() {
    let mut rig = connected(EventSource, &[], None);
    let woke = rig.now;
    rig.handle(Event::Slept { ms: 7_200_000 });
    assert_eq!(opened(&rig.handle(Event::Deadline)), [(2, EventSource)]);
    // The browser may have put it on a connection that it had kept, which is as dead as the stream.
    assert_eq!(opened_within(&mut rig, 5_000), [(3, EventSource)]);
    assert!(rig.now.since(woke) <= 5_000);
}

#[test]
fn a_page_that_is_suspended_lets_go_of_all_and_is_back_at_once_and_without_a_penalty() {
    for transport in Transport::ALL {
        let mut rig = connected(transport, &[], None);
        let effects = rig.handle(Event::Suspend);
        assert_eq!(abandoned(&effects), [1]);
        let Status::Waiting { reason, .. } = rig.client.status() else {
            panic!("{:?}", rig.client.status());
        };
        assert_eq!(reason.close_code, 4013);
        assert_eq!(
            rig.lose(FIRST, 1006),
            [],
            "its close event comes with the page's return"
        );
        // Nothing counts the time in the cache.
        rig.handle(Event::Woke);
        assert_eq!(opened_within(&mut rig, 250), [(2, transport)]);
        rig.lose(ConnectionId(2), 1006);
        let Status::Waiting { retry_at, .. } = rig.client.status() else {
            panic!("{:?}", rig.client.status());
        };
        assert!(
            retry_at.since(rig.now) <= 1_000,
            "the first window, not a wider one"
        );
    }
    let mut rig = Rig::new(&Config::default());
    rig.handle(Event::Start);
    assert_eq!(abandoned(&rig.handle(Event::Suspend)), [1], "attempts too");
}

#[test]
fn heartbeats_of_our_own_that_are_shorter_than_the_hubs_do_not_end_a_stream_that_the_hub_keeps() {
    let short = HeartbeatPolicy {
        interval_ms: 500,
        timeout_ms: 500,
    };
    let mut rig = connected(EventSource, &[], Some(short));
    for _ in 0..10 {
        rig.now = rig.now.plus(25_000);
        rig.record(FIRST, "ping 7");
        rig.handle(Event::Deadline);
    }
    assert_eq!(rig.client.metrics(rig.now).missed_heartbeats, 0);
    let silent = rig.now;
    while rig.client.metrics(rig.now).missed_heartbeats == 0 {
        rig.at_deadline();
    }
    assert_eq!(rig.now.since(silent), 25_500);
}

#[test]
fn s54_a_block_that_is_lifted_is_found_within_30_s_whatever_the_looks_met_before() {
    // Sockets vanish in a black hole, streams are buffered: a look costs its whole time-out.
    let mut rig = connected(LongPoll, &[WebSocket, EventSource], None);
    let mut looks = Vec::new();
    let begun = rig.now;
    while rig.now.since(begun) < 300_000 {
        let at = rig.client.deadline().unwrap().min(rig.now.plus(1_000));
        rig.now = at;
        for (id, transport) in opened(&rig.handle(Event::Deadline)) {
            looks.push((rig.now, transport));
            if transport == EventSource {
                rig.handle(Event::Opened {
                    connection: ConnectionId(id),
                });
            }
        }
        if rig.now.0 % 20_000 < 1_000 {
            rig.handle(Event::Answered { connection: FIRST });
        }
    }
    let sockets = looks
        .iter()
        .filter(|(_, transport)| *transport == WebSocket);
    let times: Vec<Time> = sockets.map(|(at, _)| *at).collect();
    let widest = times.windows(2).map(|pair| pair[1].since(pair[0])).max();
    assert!(widest.unwrap() <= 25_000, "{widest:?}: {looks:?}");
    assert!(times[0].since(begun) <= 5_000);
}
