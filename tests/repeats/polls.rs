//! Polls that the hub answers at once.

use super::*;

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
