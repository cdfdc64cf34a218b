//! Hubs that make a client reconnect, probe or ping.

use super::*;

/// A stream that is to take the place of the established one, because it has another topic.
#[test]
fn f22_a_stream_whose_ticket_is_refused_each_time_is_opened_ever_more_rarely() {
    let mut rig = Rig::new(&Config {
        transports: vec![EventSource],
        ..Config::default()
    });
    rig.handle(Event::Start);
    rig.greet();
    rig.subscribe("a", From::Live);
    let refuse = |rig: &mut Rig, effect: &Effect| {
        let Effect::Open { connection, .. } = effect else {
            return Vec::new();
        };
        let connection = *connection;
        let mut effects = rig.handle(Event::Opened { connection });
        effects.extend(rig.handle(Event::Ended {
            connection,
            code: 4401,
            reason: "ticket_invalid unknown",
            retry_after_ms: 0,
        }));
        effects
    };
    // The established stream is alive all the while.
    let mut times = Vec::new();
    for _ in 0..600 {
        let mut todo = VecDeque::from(rig.after(1_000, Event::Deadline));
        rig.record(C1, "ping 1");
        while let Some(effect) = todo.pop_front() {
            if request(&effect).is_some() {
                times.push(rig.now);
            }
            todo.extend(refuse(&mut rig, &effect));
        }
    }
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f22_a_hub_that_moves_its_clients_to_and_fro_is_followed_ever_more_rarely() {
    let mut rig = Rig::new(&Config {
        transports: vec![WebSocket, LongPoll],
        ..Config::default()
    });
    rig.subscribe("a", From::Start);
    let first = rig.handle(Event::Start);
    let mut at_once = 0;
    let times = requests(&mut rig, first, |rig, effect, _| {
        let (connection, transport, other) = match effect {
            Effect::Open {
                connection,
                transport: WebSocket,
                ..
            } => (*connection, WebSocket, "longpoll"),
            Effect::Open { connection, .. } => (*connection, LongPoll, "websocket"),
            // Held: nothing more comes.
            _ => return Vec::new(),
        };
        let mut effects = rig.handle(Event::Opened { connection });
        effects.extend(rig.record(connection, &format!("welcome s1 1 transports={other}")));
        if transport == LongPoll {
            effects.extend(rig.handle(Event::Answered { connection }));
        }
        at_once += 1;
        effects
    });
    assert!(at_once < 30, "{at_once} moves, {} requests", times.len());
}

#[test]
fn f22_a_hub_that_wants_a_ping_each_millisecond_gets_two_a_second() {
    let mut rig = Rig::new(&Config::default());
    rig.handle(Event::Start);
    rig.handle(Event::Opened { connection: C1 });
    rig.record(C1, "welcome s1 1 ping=1");
    let (begun, mut pings) = (rig.now, 0);
    while rig.now.since(begun) < 10_000 {
        for effect in rig.at_deadline() {
            if let Effect::Send { records, .. } = effect {
                let t = records.strip_prefix("ping ").unwrap();
                rig.record(C1, &format!("pong {t}"));
                pings += 1;
            }
        }
    }
    assert_eq!(pings, 10_000 / PING_MS_MIN);
}

#[test]
fn f22_a_hub_that_always_says_retry_0_is_asked_ever_more_rarely() {
    for reason in ["try_again_later retry=0 spread=0", "going_away spread=0"] {
        let mut rig = Rig::new(&Config::default());
        let first = rig.handle(Event::Start);
        let times = requests(&mut rig, first, |rig, effect, _| match effect {
            Effect::Open { connection, .. } => {
                let connection = *connection;
                rig.handle(Event::Opened { connection });
                rig.record(connection, "welcome s1 1");
                rig.handle(Event::Ended {
                    connection,
                    code: 1013,
                    reason,
                    retry_after_ms: 0,
                })
            }
            _ => Vec::new(),
        });
        // At most every 15 s on average, as the options say.
        assert!(
            (10..=60).contains(&times.len()),
            "{reason}: {}",
            times.len()
        );
    }
}
