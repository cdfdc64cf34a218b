//! Hubs whose answers make a client repeat requests: it repeats them ever more rarely, and says so
//! (rules C12 and R7).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod polls;
mod publications;
mod stalls;
mod streams;

use std::collections::VecDeque;

use common::{EPOCH, Rig, polls};
use longhaul::Transport::{EventSource, LongPoll, WebSocket};
use longhaul::config::{Config, PAUSE_MS_MAX, PING_MS_MIN};
use longhaul::ids::{Chain, ConnectionId, From, Seq, TopicNo};
use longhaul::{Effect, Event, Status, Time};

const C1: ConnectionId = ConnectionId(1);
const TEN_MINUTES_MS: u64 = 600_000;

/// Pauses of 1, 2, 4 ... seconds are seven in the first minute, and with chance at most two a
/// minute follow; three repetitions that are each at once the first time may come together.
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
