//! Streams with holes, and logs that diverge.

use super::*;

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
