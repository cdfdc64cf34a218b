//! A16, B19: a hub with one topic as a model, over whatever the client opens.

use std::collections::BTreeMap;

use longhaul::Transport::{LongPoll, WebSocket};
use longhaul::config::{Config, IDLE_POLL_MS_MAX};
use longhaul::ids::{ConnectionId, From, TopicNo};
use longhaul::{Effect, Event};
use proptest::prelude::*;

use crate::common::{EPOCH, Rig};
use crate::hold_of;

/// A hub with one topic, played over whatever the client opens.
struct Peer {
    rig: Rig,
    head: u64,
    /// Where each socket stands.
    sockets: BTreeMap<u64, Option<u64>>,
    /// Which poll is under way, from where, and how long it is held.
    polls: BTreeMap<u64, (u64, u64)>,
    delivered: u64,
}

impl Peer {
    fn cursor(records: &str) -> Option<u64> {
        let from = records.split_once("sub 1 a ")?.1;
        let from = from.split('\n').next()?;
        Some(from.split('/').nth(1).map_or(0, |seq| seq.parse().unwrap()))
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Open {
                    connection,
                    transport: LongPoll,
                    records,
                    ..
                }
                | Effect::Poll {
                    connection,
                    records,
                } => {
                    let from = Self::cursor(&records).unwrap();
                    self.polls.insert(connection.0, (from, hold_of(&records)));
                }
                Effect::Open { connection, .. } => drop(self.sockets.insert(connection.0, None)),
                Effect::Send {
                    connection,
                    records,
                } => {
                    if let (Some(at), Some(from)) =
                        (self.sockets.get_mut(&connection.0), Self::cursor(&records))
                    {
                        *at = Some(from);
                    }
                }
                Effect::Abandon { connection, .. } => {
                    self.sockets.remove(&connection.0);
                    self.polls.remove(&connection.0);
                }
                Effect::Gap { .. } => panic!("nothing is missing"),
                _ => {}
            }
        }
        let held = self.polls.values().filter(|(_, hold)| *hold > 0).count();
        assert!(
            self.sockets.len() + held <= 2,
            "one downlink, two in a move"
        );
    }

    /// Messages after `from` over a connection, which the client must take once and in order.
    fn stream(&mut self, connection: u64, from: u64) {
        let count = u32::try_from(self.head - from).unwrap();
        if count == 0 {
            return;
        }
        let connection = ConnectionId(connection);
        let (run, effects) = self.rig.messages(connection, TopicNo(1), from + 1, count);
        for effect in &effects {
            if let Effect::Deliver {
                run: which, skip, ..
            } = effect
            {
                assert_eq!(*which, run);
                assert_eq!(from + u64::from(*skip), self.delivered, "once and in order");
                self.delivered = self.head;
            }
        }
        self.act(effects);
    }

    fn greet(&mut self, connection: u64, from: u64) {
        let id = ConnectionId(connection);
        let head = self.head;
        let effects = self.rig.record(id, "welcome s1 1");
        self.act(effects);
        let subscribed = format!("subscribed 1 {EPOCH} {from} {from} {head}");
        let effects = self.rig.record(id, &subscribed);
        self.act(effects);
    }

    /// The network carries what there is to carry.
    fn flow(&mut self) {
        for connection in self.sockets.keys().copied().collect::<Vec<_>>() {
            let is_new = self.sockets.get(&connection) == Some(&None);
            if is_new {
                let id = ConnectionId(connection);
                let effects = self.rig.handle(Event::Opened { connection: id });
                self.act(effects);
                if let Some(Some(from)) = self.sockets.get(&connection).copied() {
                    self.greet(connection, from);
                }
            }
            if let Some(Some(from)) = self.sockets.get(&connection).copied() {
                self.stream(connection, from);
                self.sockets.insert(connection, Some(self.head));
            }
        }
        for connection in self.polls.keys().copied().collect::<Vec<_>>() {
            if let Some((from, hold)) = self.polls.get(&connection).copied()
                && (hold == 0 || from < self.head)
            {
                self.polls.remove(&connection);
                self.greet(connection, from);
                self.stream(connection, from);
                let connection = ConnectionId(connection);
                let effects = self.rig.handle(Event::Answered { connection });
                self.act(effects);
            }
        }
    }

    /// Time passes, and held polls with it.
    fn pass(&mut self, ms: u64) {
        let until = self.rig.now.plus(ms);
        let mut turns = 0;
        while let Some(at) = self.rig.client.deadline()
            && at <= until
        {
            turns += 1;
            assert!(turns < 1_000, "a loop");
            self.rig.now = self.rig.now.plus(at.since(self.rig.now));
            let effects = self.rig.handle(Event::Deadline);
            self.act(effects);
            self.flow();
        }
        self.rig.now = until;
    }
}

proptest! {
    #[test]
    fn a16_whatever_is_urgent_free_or_cut_every_message_comes_once_and_in_order(
        seed: u64, steps in prop::collection::vec((0_u8..8, 1_u64..20_000), 1..60),
    ) {
        let transports = vec![WebSocket, LongPoll];
        let mut rig = Rig::new(&Config { seed, transports, ..Config::default() });
        rig.subscribe_as("a", From::Start, seed % 2 == 0);
        let effects = rig.handle(Event::Start);
        let (sockets, polls) = (BTreeMap::new(), BTreeMap::new());
        let mut peer = Peer { rig, head: 0, sockets, polls, delivered: 0 };
        peer.act(effects);
        for (what, ms) in steps {
            let is_even = ms % 2 == 0;
            let passive = Event::Passive { no: TopicNo(1), is_passive: is_even };
            match what {
                0..=2 => peer.head += ms % 5,
                3 => drop(peer.rig.handle(passive)),
                4 => { let e = peer.rig.handle(Event::Slot { is_granted: is_even }); peer.act(e); }
                5 => {
                    let connections: Vec<u64> =
                        peer.sockets.keys().chain(peer.polls.keys()).copied().collect();
                    for connection in connections {
                        peer.sockets.remove(&connection);
                        peer.polls.remove(&connection);
                        let effects = peer.rig.lose(ConnectionId(connection), 1006);
                        peer.act(effects);
                    }
                }
                6 => { let e = peer.rig.handle(Event::Woke); peer.act(e); }
                _ => peer.flow(),
            }
            peer.pass(ms);
        }
        // What is not urgent comes at the latest after the longest rest, and a reconnect before it.
        peer.pass(2 * IDLE_POLL_MS_MAX);
        prop_assert_eq!(peer.delivered, peer.head);
    }
}
