//! Polls that are short, held, or cut: passive subscriptions, places among a browser's connections,
//! and busy hubs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
#[path = "../common/mod.rs"]
mod common;
mod model;
mod passive;
mod places;
#[path = "../common/race.rs"]
mod race;

use longhaul::Transport::LongPoll;
use longhaul::config::{Config, POLL_TIMEOUT_MS};
use longhaul::ids::{ConnectionId, From, TopicNo};
use longhaul::{Effect, Event, Transport};

use common::{EPOCH, Rig, opened};
use race::transport;

const C1: ConnectionId = ConnectionId(1);
const C2: ConnectionId = ConnectionId(2);

fn config(worked: Option<Transport>) -> Config {
    Config {
        transports: Transport::ALL.to_vec(),
        worked,
        ..Config::default()
    }
}

/// For how long the polls among these effects ask to be held.
fn holds(effects: &[Effect]) -> Vec<u64> {
    let polls = effects.iter().filter_map(|effect| match effect {
        Effect::Poll { records, .. } => Some(hold_of(records)),
        _ => None,
    });
    polls.collect()
}

fn hold_of(records: &str) -> u64 {
    let hold = records.split_once(" hold=").unwrap().1;
    hold.split(['\n', ' ']).next().unwrap().parse().unwrap()
}

fn places(effects: &[Effect]) -> Vec<bool> {
    let places = effects.iter().filter_map(|effect| match effect {
        Effect::Slot { is_wanted } => Some(*is_wanted),
        _ => None,
    });
    places.collect()
}

/// Answers the poll under way, with `count` messages from `first` on.
fn answer(rig: &mut Rig, connection: ConnectionId, first: u64, count: u32) -> Vec<Effect> {
    rig.record(connection, "welcome s1 1763779200000");
    let head = first + u64::from(count) - 1;
    let before = first - 1;
    rig.record(
        connection,
        &format!("subscribed 1 {EPOCH} {before} {before} {head}"),
    );
    if count > 0 {
        rig.messages(connection, TopicNo(1), first, count);
    }
    rig.handle(Event::Answered { connection })
}

/// A client whose one subscription is passive, resting after its first poll.
fn quiet() -> Rig {
    let mut rig = Rig::new(&config(None));
    rig.subscribe_as("a", From::Start, true);
    let effects = rig.handle(Event::Start);
    assert_eq!(opened(&effects), [(1, LongPoll)]);
    let effects = answer(&mut rig, C1, 1, 0);
    assert_eq!(holds(&effects), [0; 0], "it rests");
    rig
}

/// A live client on held polls because nothing else gets through.
fn held() -> Rig {
    let mut rig = Rig::new(&Config {
        transports: vec![LongPoll],
        ..Config::default()
    });
    rig.subscribe("a", From::Start);
    rig.handle(Event::Start);
    let effects = answer(&mut rig, C1, 1, 0);
    assert_eq!(holds(&effects), [POLL_TIMEOUT_MS]);
    rig
}

/// Lets deadlines pass until one does this.
fn until(rig: &mut Rig, is_it: impl Fn(&[Effect]) -> bool) -> Vec<Effect> {
    let mut turns = (0..100).map(|_| rig.at_deadline());
    turns.find(|effects| is_it(effects)).unwrap()
}

/// The time until the next poll goes out.
fn rest(rig: &mut Rig) -> (u64, Vec<Effect>) {
    let begun = rig.now;
    let effects = until(rig, |effects| !holds(effects).is_empty());
    (rig.now.since(begun), effects)
}
