//! Answers and snapshots that never arrive.

use super::*;

/// The subs that go out within ten minutes, and when, to a hub that answers pings. Each five
/// seconds `comes` happens.
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
