//! Posts of publications that fail or hang (rule T1).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/race.rs"]
mod race;

use Transport::LongPoll;
use common::{EPOCH, Rig, sent};
use longhaul::config::POST_MS_MAX;
use longhaul::ids::ConnectionId;
use longhaul::{Effect, Event, Transport};
use race::{polling, transport};

#[test]
fn t1_posts_that_keep_failing_are_sent_again_ever_more_rarely_and_at_once_after_a_verdict() {
    let mut rig = polling();
    let connection = ConnectionId(3);
    let mut waits = Vec::new();
    rig.publish("a");
    for _ in 0..12 {
        rig.handle(Event::PostFailed {
            connection,
            retry_after_ms: 0,
        });
        let failed = rig.now;
        while sent(&rig.at_deadline()).is_empty() {
            rig.handle(Event::Answered { connection });
        }
        waits.push(rig.now.since(failed));
    }
    assert!(waits.iter().all(|ms| *ms <= 30_000), "{waits:?}");
    assert!(
        waits.iter().rev().take(6).sum::<u64>() > 30_000,
        "{waits:?}"
    );
    let producer = rig.client.producer().to_owned();
    rig.record(connection, &format!("ack {producer} 1 {EPOCH} 1 0"));
    rig.publish("a");
    rig.handle(Event::PostFailed {
        connection,
        retry_after_ms: 0,
    });
    let failed = rig.now;
    assert!(!sent(&rig.at_deadline()).is_empty());
    assert!(rig.now.since(failed) <= 1_000);
}

#[test]
fn t1_a_post_that_hangs_is_given_up_and_sent_again_over_the_same_connection() {
    let mut rig = polling();
    let connection = ConnectionId(3);
    rig.handle(Event::Answered { connection });
    rig.publish("a");
    let posted = rig.now;
    let mut gave_up = None;
    let mut again = String::new();
    while again.is_empty() {
        assert!(rig.now.since(posted) < 60_000, "nobody noticed");
        rig.now = rig.client.deadline().unwrap().min(rig.now.plus(1_000));
        let effects = rig.handle(Event::Deadline);
        if effects.contains(&Effect::AbandonPosts { connection }) {
            gave_up = Some(rig.now);
        }
        again = sent(&effects);
        rig.handle(Event::Answered { connection });
    }
    assert_eq!(gave_up.unwrap().since(posted), POST_MS_MAX);
    assert!(rig.now.since(posted) <= POST_MS_MAX + 1_000);
    assert_eq!(transport(&rig), LongPoll);

    // A socket is judged by its heartbeat.
    let (mut rig, _) = Rig::connected();
    rig.publish("a");
    assert!(rig.client.deadline().unwrap().since(rig.now) > POST_MS_MAX);
}

#[test]
fn t1_a_failed_post_is_sent_again_after_a_while_and_over_the_hubs_floor() {
    let mut rig = polling();
    let connection = ConnectionId(3);
    assert!(sent(&rig.publish("a")).contains(" 1 0 a "));
    rig.handle(Event::PostFailed {
        connection,
        retry_after_ms: 7_000,
    });
    let failed = rig.now;
    let mut again = String::new();
    while again.is_empty() {
        again = sent(&rig.at_deadline());
        rig.handle(Event::Answered { connection });
    }
    assert!(again.contains(" 1 0 a "));
    assert!(
        (7_100..=8_000).contains(&rig.now.since(failed)),
        "{}",
        rig.now.since(failed)
    );
}
