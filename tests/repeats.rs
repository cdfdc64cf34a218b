//! Hubs that answer in a way that makes a client ask again, for ten minutes: it asks ever more rarely, and says so (rules C12, R7).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::VecDeque;

use common::{EPOCH, Rig, polls};
use longhaul::Transport::{EventSource, LongPoll, WebSocket};
use longhaul::config::{Config, PAUSE_MS_MAX, PING_MS_MIN};
use longhaul::ids::{Chain, ConnectionId, From, Seq, TopicNo};
use longhaul::{Effect, Event, Status, Time};

const C1: ConnectionId = ConnectionId(1);
const TEN_MINUTES_MS: u64 = 600_000;

/// Pauses of 1, 2, 4 ... seconds are seven in the first minute, and with chance at most two a minute follow; three repetitions
/// that are each at once the first time may come together.
const REQUESTS_MAX: usize = 32;

/// A request that is no ping.
fn request(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Open { records, .. } | Effect::Poll { records, .. } => Some(records.clone()),
        Effect::Send { records, .. } if !records.starts_with("ping ") => Some(records.clone()),
        Effect::SendPublication { head, .. } => Some(head.clone()),
        _ => None,
    }
}

/// When requests went out within ten minutes, to a hub that answers each after a millisecond.
fn requests(
    rig: &mut Rig,
    first: Vec<Effect>,
    mut answer: impl FnMut(&mut Rig, &Effect, &str) -> Vec<Effect>,
) -> Vec<Time> {
    let end = rig.now.plus(TEN_MINUTES_MS);
    let mut times = Vec::new();
    let mut todo = VecDeque::from(first);
    while times.len() < 5_000 {
        let Some(effect) = todo.pop_front() else {
            if rig.now >= end {
                break;
            }
            todo.extend(rig.at_deadline());
            continue;
        };
        if let Some(records) = request(&effect) {
            times.push(rig.now);
            rig.now = rig.now.plus(1);
            todo.extend(answer(rig, &effect, &records));
        } else if let Effect::Send {
            connection,
            records,
        } = &effect
        {
            let t = records.strip_prefix("ping ").unwrap();
            todo.extend(rig.record(*connection, &format!("pong {t}")));
        }
    }
    times
}

fn are_rare(times: &[Time]) {
    assert!(
        (8..=REQUESTS_MAX).contains(&times.len()),
        "{} requests in ten minutes, {:?}",
        times.len(),
        times.iter().map(|at| at.0).take(50).collect::<Vec<_>>()
    );
    let longest = times.windows(2).map(|two| two[1].since(two[0])).max();
    assert!(
        (PAUSE_MS_MAX / 2..=PAUSE_MS_MAX + 1_000).contains(&longest.unwrap()),
        "{longest:?}"
    );
}

/// What users see of it.
fn is_visible(rig: &Rig) {
    let repeats = rig.client.metrics(rig.now).repeats;
    assert!((7..=50).contains(&repeats), "{repeats} repeats");
    let Status::Connected { repeat_at, .. } = rig.client.status() else {
        panic!("{:?}", rig.client.status());
    };
    assert!(repeat_at.is_some());
}

fn streaming() -> Rig {
    let (mut rig, connection) = Rig::connected();
    rig.subscribe("a", From::Live);
    rig.record(connection, &format!("subscribed 1 {EPOCH} 0 7 0"));
    rig.messages(connection, TopicNo(1), 1, 1);
    rig
}

fn message(rig: &mut Rig, first: u64) -> Vec<Effect> {
    rig.messages(C1, TopicNo(1), first, 1).1
}

#[test]
fn f22_a_hole_that_is_always_there_is_asked_for_ever_more_rarely() {
    let mut rig = streaming();
    let first = message(&mut rig, 3);
    let times = requests(&mut rig, first, |rig, _, _| {
        let mut effects = rig.record(C1, &format!("subscribed 1 {EPOCH} 1 1 3"));
        effects.extend(message(rig, 3));
        effects
    });
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f22_a_log_that_has_diverged_each_time_is_asked_for_ever_more_rarely() {
    let mut rig = streaming();
    let first = message(&mut rig, 3);
    let times = requests(&mut rig, first, |rig, _, _| {
        let mut effects = rig.record(C1, &format!("resume_failed 1 diverged {EPOCH} 0 7 3"));
        effects.extend(message(rig, 1));
        effects.extend(message(rig, 3));
        effects
    });
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f22_an_answer_to_another_cursor_is_asked_for_ever_more_rarely() {
    let mut rig = streaming();
    let first = rig.record(C1, &format!("subscribed 1 {EPOCH} 9 9 9"));
    let times = requests(&mut rig, first, |rig, _, _| {
        rig.record(C1, &format!("subscribed 1 {EPOCH} 9 9 9"))
    });
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f22_a_head_that_never_comes_is_asked_for_ever_more_rarely_however_often_the_hub_pings() {
    let mut rig = streaming();
    rig.record(C1, &format!("subscribed 1 {EPOCH} 1 1 9"));
    let mut asked = 0;
    for t in 0..6_000 {
        for effect in rig.after(100, Event::Deadline) {
            let ping = request(&effect).is_none().then_some(&effect);
            if let Some(Effect::Send { records, .. }) = ping {
                let t = records.strip_prefix("ping ").unwrap().to_owned();
                rig.record(C1, &format!("pong {t}"));
            }
            asked += usize::from(request(&effect).is_some());
        }
        let effects = rig.record(C1, &format!("ping {t}"));
        let texts = effects.iter().filter_map(request);
        asked += texts.filter(|text| text.starts_with("sub ")).count();
    }
    assert!((8..=REQUESTS_MAX).contains(&asked), "{asked}");
    is_visible(&rig);
}

/// A hub that loses every second message, and has it when it is asked.
#[test]
fn f22_repairs_that_help_are_made_once_a_second_at_most() {
    let mut rig = streaming();
    let first = message(&mut rig, 3);
    let mut head = 3;
    let times = requests(&mut rig, first, |rig, _, _| {
        let before = head - 2;
        let mut effects = rig.record(
            C1,
            &format!("subscribed 1 {EPOCH} {before} {before} {head}"),
        );
        effects.extend(rig.messages(C1, TopicNo(1), before + 1, 2).1);
        head += 2;
        effects.extend(message(rig, head));
        effects
    });
    assert!((600..=1_250).contains(&times.len()), "{}", times.len());
}

fn polling(hold: &str) -> (Rig, Vec<Effect>) {
    let mut rig = Rig::new(&Config {
        transports: vec![LongPoll],
        ..Config::default()
    });
    rig.subscribe("a", From::Start);
    rig.handle(Event::Start);
    rig.record(C1, &format!("welcome s1 1{hold}"));
    rig.record(C1, &format!("subscribed 1 {EPOCH} 0 7 0"));
    let effects = rig.handle(Event::Answered { connection: C1 });
    assert_eq!(polls(&effects).len(), 1);
    (rig, effects)
}

/// Polls that are answered at once with these records and, where there are any, with message 1.
fn polled(hold: &str, records: &str, has_message: bool) {
    let (mut rig, first) = polling(hold);
    let times = requests(&mut rig, first, |rig, _, _| {
        rig.record(C1, &format!("welcome s1 1{hold}"));
        if !records.is_empty() {
            rig.record(C1, records);
        }
        if has_message {
            message(rig, 1);
        }
        rig.handle(Event::Answered { connection: C1 })
    });
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f22_polls_that_are_answered_at_once_and_empty_become_ever_rarer() {
    polled("", "", false);
    polled("", &format!("subscribed 1 {EPOCH} 0 7 0"), false);
}

#[test]
fn f22_polls_that_the_hub_does_not_hold_become_ever_rarer() {
    polled(" hold=0", &format!("subscribed 1 {EPOCH} 0 7 0"), false);
    polled(" hold=1", &format!("subscribed 1 {EPOCH} 0 7 0"), false);
}

#[test]
fn f22_polls_that_bring_the_same_message_each_time_become_ever_rarer() {
    polled("", &format!("subscribed 1 {EPOCH} 0 7 1"), true);
    polled("", &format!("resume_failed 1 diverged {EPOCH} 0 7 1"), true);
}

#[test]
fn f22_news_end_the_pause_of_polls() {
    let (mut rig, first) = polling(" hold=0");
    let mut seq = 0;
    requests(&mut rig, first, |rig, _, _| {
        rig.record(C1, "welcome s1 1 hold=0");
        rig.record(C1, &format!("subscribed 1 {EPOCH} {seq} {seq} {seq}"));
        rig.handle(Event::Answered { connection: C1 })
    });
    is_visible(&rig);
    while polls(&rig.at_deadline()).is_empty() {}
    rig.record(C1, "welcome s1 1 hold=0");
    rig.record(C1, &format!("subscribed 1 {EPOCH} 0 7 1"));
    seq += 1;
    message(&mut rig, seq);
    let effects = rig.handle(Event::Answered { connection: C1 });
    assert_eq!(polls(&effects).len(), 1, "at once");
    assert!(matches!(
        rig.client.status(),
        Status::Connected {
            repeat_at: None,
            ..
        }
    ));
}

#[test]
fn f22_users_are_told_of_each_pause_and_of_its_end() {
    let mut rig = streaming();
    let is_told = |effects: &[Effect]| effects.contains(&Effect::StatusChanged);
    assert!(!is_told(&message(&mut rig, 3)), "once may be chance");
    rig.record(C1, &format!("subscribed 1 {EPOCH} 1 1 3"));
    assert!(is_told(&message(&mut rig, 3)));
    let Status::Connected { repeat_at, .. } = rig.client.status() else {
        panic!();
    };
    assert_eq!(repeat_at, rig.client.deadline());
    assert!(is_told(&rig.at_deadline()), "it is asked for");
    rig.record(C1, &format!("subscribed 1 {EPOCH} 1 1 3"));
    assert!(!is_told(&message(&mut rig, 2)), "all is well");
}

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
            floor_ms: 0,
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
                    floor_ms: 0,
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

/// The rows that go out, as the hub sees them.
fn published(effect: &Effect) -> Option<(String, u64)> {
    let Effect::SendPublication { head, .. } = effect else {
        return None;
    };
    let mut words = head.lines().last()?.split(' ').skip(1);
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

fn with_rows(rows: usize) -> (Rig, Vec<Effect>) {
    let (mut rig, _) = Rig::connected();
    let first = (0..rows).flat_map(|_| rig.publish("a")).collect();
    (rig, first)
}

fn nack(rig: &mut Rig, effect: &Effect, code: &str) -> Vec<Effect> {
    let Some((producer, n)) = published(effect) else {
        return Vec::new();
    };
    rig.record(C1, &format!("nack {producer} {n} {code} no"))
}

#[test]
fn f22_what_is_out_of_order_each_time_is_sent_ever_more_rarely() {
    let (mut rig, first) = with_rows(1);
    let times = requests(&mut rig, first, |rig, effect, _| {
        nack(rig, effect, "out_of_order")
    });
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f23_a_full_hub_gets_one_row_at_a_time_ever_more_rarely() {
    let (mut rig, first) = with_rows(256);
    let times = requests(&mut rig, first, |rig, effect, _| nack(rig, effect, "busy"));
    let later = times.len() - 256;
    assert!(
        (5..=REQUESTS_MAX).contains(&later),
        "{later} after the first window"
    );
    let Status::Connected { repeat_at, .. } = rig.client.status() else {
        panic!();
    };
    assert!(repeat_at.unwrap().since(rig.now) <= PAUSE_MS_MAX);
}

#[test]
fn f23_the_window_doubles_with_each_round_trip_that_the_hub_takes() {
    let (mut rig, first) = with_rows(400);
    for effect in &first {
        assert!(
            nack(&mut rig, effect, "busy")
                .iter()
                .all(|it| published(it).is_none())
        );
    }
    let mut window = rig.at_deadline();
    let mut sizes = Vec::new();
    loop {
        let rows: Vec<_> = window.iter().filter_map(published).collect();
        if rows.is_empty() || sizes.len() > 20 {
            break;
        }
        sizes.push(rows.len());
        window = rows
            .iter()
            .flat_map(|(producer, n)| rig.record(C1, &format!("ack {producer} {n} {EPOCH} {n} 0")))
            .collect();
    }
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 128, 145]);
    assert_eq!(rig.client.outbox_rows(), 0);
}

#[test]
fn f23_a_topic_that_is_busy_for_ever_does_not_hold_up_the_others() {
    let (mut rig, mut first) = with_rows(5);
    first.extend(
        (0..2_000)
            .flat_map(|_| rig.publish("b"))
            .collect::<Vec<_>>(),
    );
    let mut done = None;
    requests(&mut rig, first, |rig, effect, records| {
        if records.contains(" a ") {
            return nack(rig, effect, "busy");
        }
        let Some((producer, n)) = published(effect) else {
            return Vec::new();
        };
        let effects = rig.record(C1, &format!("ack {producer} {n} {EPOCH} {n} 0"));
        if rig.client.outbox_rows() == 5 {
            done.get_or_insert(rig.now);
        }
        effects
    });
    let took_ms = done.unwrap().since(Time(1_000_000));
    assert!(took_ms < 60_000, "{took_ms}");
}

#[test]
fn f23_a_new_connection_is_tried_with_one_row() {
    let (mut rig, first) = with_rows(100);
    for effect in &first {
        nack(&mut rig, effect, "busy");
    }
    rig.lose(C1, 1006);
    rig.at_deadline();
    let connection = C1.next();
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert_eq!(effects.iter().filter_map(published).count(), 1);
}

/// The subs that go out within ten minutes, and when, to a hub that answers pings. Each five seconds `comes` happens.
fn subs(rig: &mut Rig, comes: impl Fn(&mut Rig)) -> Vec<(u64, String)> {
    let begun = rig.now;
    let mut subs = Vec::new();
    let mut is_shown = false;
    for second in 0..600 {
        let mut todo = VecDeque::from(rig.after(1_000, Event::Deadline));
        while let Some(effect) = todo.pop_front() {
            if let Some(sub) = request(&effect) {
                subs.push((rig.now.since(begun), sub.trim().to_owned()));
            } else if let Effect::Send { records, .. } = effect {
                let t = records.strip_prefix("ping ").unwrap();
                todo.extend(rig.record(C1, &format!("pong {t}")));
            }
        }
        if second % 5 == 0 {
            comes(rig);
        }
        let Status::Connected { repeat_at, .. } = rig.client.status() else {
            panic!("{:?}", rig.client.status());
        };
        is_shown |= repeat_at.is_some();
    }
    assert_eq!(is_shown, subs.len() > 1, "{subs:?}");
    subs
}

#[test]
fn a5_a_sub_that_is_never_answered_is_asked_again_at_heartbeats_and_users_see_it() {
    let (mut rig, _) = Rig::connected();
    rig.subscribe("a", From::Start);
    let asked = subs(&mut rig, |_| {});
    assert!((8..=REQUESTS_MAX).contains(&asked.len()), "{asked:?}");
    assert!(asked[0].0 <= 60_000, "{asked:?}");
    assert!(asked.iter().all(|(_, sub)| sub == "sub 1 a start"));
}

#[test]
fn a5_a_snapshot_that_never_comes_is_asked_again() {
    let (mut rig, connection) = Rig::connected();
    let no = TopicNo(1);
    rig.handle(Event::Follow { no, topic: "d" });
    rig.record(connection, &format!("subscribed 1 {EPOCH} 3 7 3"));
    let asked = subs(&mut rig, |_| {});
    assert!((8..=REQUESTS_MAX).contains(&asked.len()), "{asked:?}");
    assert!(asked[0].0 <= 60_000, "{asked:?}");
}

#[test]
fn a5_what_has_been_answered_is_not_asked_again() {
    let mut rig = streaming();
    let no = TopicNo(2);
    rig.handle(Event::Follow { no, topic: "d" });
    rig.record(C1, &format!("subscribed 2 {EPOCH} 3 7 3"));
    rig.handle(Event::Snapshot {
        connection: C1,
        no,
        run: 9,
        seq: Seq(3),
        chain: Chain(7),
    });
    rig.subscribe("x", From::Live);
    rig.record(C1, "refused 3 forbidden not yours");
    assert_eq!(subs(&mut rig, |_| {}), []);
}

#[test]
fn a5_on_a_slow_line_nothing_is_asked_again_while_anything_comes() {
    let comes: [fn(&mut Rig); 4] = [
        |rig| drop(rig.record(C1, &format!("ack x 1 {EPOCH} 1 0"))),
        |rig| drop(message(rig, 1)),
        |rig| {
            rig.is_in_time = true;
            message(rig, 2);
        },
        |rig| {
            rig.handle(Event::Heard {
                connection: C1,
                has_more: true,
                bytes: 40_000,
            });
        },
    ];
    for comes in comes {
        let mut rig = streaming();
        rig.subscribe("b", From::Live);
        let no = TopicNo(3);
        rig.handle(Event::Follow { no, topic: "d" });
        rig.record(C1, &format!("subscribed 3 {EPOCH} 3 7 3"));
        assert_eq!(subs(&mut rig, comes), []);
    }
}

#[test]
fn a5_two_answers_to_a_sub_asked_twice_lose_and_double_nothing() {
    for (first, second) in [("0 7 0", "0 7 0"), ("0 7 2", "0 7 2"), ("5 5 5", "9 9 9")] {
        let (mut rig, connection) = Rig::connected();
        let (no, _) = rig.subscribe("a", From::Live);
        rig.record(connection, &format!("subscribed 1 {EPOCH} {first}"));
        let at: u64 = first.split(' ').next().unwrap().parse().unwrap();
        let (run, effects) = rig.messages(connection, no, at + 1, 2);
        assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
        let effects = rig.record(connection, &format!("subscribed 1 {EPOCH} {second}"));
        let gaps = effects.iter().filter(|it| matches!(it, Effect::Gap { .. }));
        assert_eq!(gaps.count(), 0);
        let asked = effects.iter().filter_map(request).next();
        if first == second {
            assert_eq!(asked, None);
            assert_eq!(rig.messages(connection, no, at + 1, 2).1, []);
        } else {
            // What lies between was the second answer's to skip.
            assert_eq!(asked, Some(format!("sub 1 a {EPOCH}/7/7")));
            rig.record(connection, &format!("subscribed 1 {EPOCH} 7 7 9"));
        }
        let (run, effects) = rig.messages(connection, no, at + 3, 1);
        assert_eq!(effects, [Effect::Deliver { no, run, skip: 0 }]);
    }
}
